resource "aws_lambda_function" "this" {
  function_name                  = "types"
  description                    = "step ${var.step}"
  role                           = aws_iam_role.for["lambda"].arn
  runtime                        = "python3.13"
  handler                        = "app.handler"
  filename                       = "function.zip"
  source_code_hash               = filebase64sha256("function.zip")
  memory_size                    = 128 * var.step
  timeout                        = 10
  publish                        = true
  reserved_concurrent_executions = 5
  architectures                  = ["x86_64"]
  layers                         = [aws_lambda_layer_version.this.arn]
  tags                           = { step = var.step }
  environment { variables = { STEP = var.step } }
  ephemeral_storage { size = 1024 }
  dead_letter_config { target_arn = aws_sqs_queue.dead.arn }
  tracing_config { mode = "Active" }
  logging_config {
    log_format            = "JSON"
    application_log_level = "INFO"
    system_log_level      = "WARN"
  }
}

resource "aws_lambda_alias" "this" {
  name             = "live"
  description      = "step ${var.step}"
  function_name    = aws_lambda_function.this.function_name
  function_version = "1"
}

resource "aws_lambda_code_signing_config" "this" {
  description = "step ${var.step}"
  allowed_publishers {
    signing_profile_version_arns = ["arn:aws:signer:eu-west-1:000000000000:/signing-profiles/p/abcdefghij"]
  }
  policies { untrusted_artifact_on_deployment = "Warn" }
}

resource "aws_lambda_event_source_mapping" "sqs" {
  event_source_arn                   = aws_sqs_queue.this.arn
  function_name                      = aws_lambda_function.this.arn
  batch_size                         = 5 * var.step
  maximum_batching_window_in_seconds = 1
  function_response_types            = ["ReportBatchItemFailures"]
  tags                               = { step = var.step }
  filter_criteria {
    filter { pattern = jsonencode({ body = { a = [var.step] } }) }
  }
  scaling_config { maximum_concurrency = 5 }
}

resource "aws_lambda_event_source_mapping" "kinesis" {
  event_source_arn                   = aws_kinesis_stream.this.arn
  function_name                      = aws_lambda_function.this.arn
  starting_position                  = "LATEST"
  batch_size                         = 10
  bisect_batch_on_function_error     = true
  maximum_retry_attempts             = var.step
  maximum_record_age_in_seconds      = 3600
  parallelization_factor             = 2
  destination_config {
    on_failure { destination_arn = aws_sqs_queue.dead.arn }
  }
}

resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = aws_lambda_function.this.function_name
  maximum_event_age_in_seconds = 60 * var.step
  maximum_retry_attempts       = 1
  destination_config {
    on_failure { destination = aws_sqs_queue.dead.arn }
    on_success { destination = aws_sns_topic.this.arn }
  }
}

resource "aws_lambda_function_recursion_config" "this" {
  function_name  = aws_lambda_function.this.function_name
  recursive_loop = var.step == 1 ? "Allow" : "Terminate"
}

resource "aws_lambda_function_url" "this" {
  function_name      = aws_lambda_function.this.function_name
  authorization_type = "NONE"
  cors {
    allow_origins = ["*"]
    max_age       = 60 * var.step
  }
}

resource "aws_lambda_invocation" "this" {
  function_name = aws_lambda_function.this.function_name
  input         = jsonencode({ step = var.step })
}

resource "aws_lambda_layer_version" "this" {
  layer_name          = "types"
  description         = "a layer"
  filename            = "function.zip"
  compatible_runtimes = ["python3.13"]
  license_info        = "MIT"
}

resource "aws_lambda_layer_version_permission" "this" {
  layer_name     = aws_lambda_layer_version.this.layer_name
  version_number = aws_lambda_layer_version.this.version
  principal      = "111111111111"
  action         = "lambda:GetLayerVersion"
  statement_id   = "other"
}

resource "aws_lambda_permission" "this" {
  statement_id  = "events"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this.arn
}

resource "aws_lambda_provisioned_concurrency_config" "this" {
  function_name                     = aws_lambda_alias.this.function_name
  qualifier                         = aws_lambda_alias.this.name
  provisioned_concurrent_executions = var.step
}

resource "aws_lambda_runtime_management_config" "this" {
  function_name     = aws_lambda_function.this.function_name
  update_runtime_on = var.step == 1 ? "FunctionUpdate" : "Auto"
}
