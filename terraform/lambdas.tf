locals {
  # Each folder of lambdas/: what it is for, how much it may take, what it is told, and whether it asks the
  # database, for which it stands in the VPC. What it may do is in lambda_policies.tf.
  lambdas = {
    plan = {
      description = "Chooses what a run ingests: which tables, with which engine, how much in parallel."
      timeout     = 300
      memory      = 256
      asks_db     = true
      environment = {
        JOB_SETTINGS_TABLE     = aws_dynamodb_table.this["job_settings"].name
        TABLE_STRUCTURES_TABLE = aws_dynamodb_table.this["table_structures"].name
        INGEST_RUNS_TABLE      = aws_dynamodb_table.this["ingest_runs"].name
        SECRET_ID              = aws_secretsmanager_secret.onprem_db.name
        PARAMETER_PATH         = "/${local.path}/ingest"
        PLANS_BUCKET           = aws_s3_bucket.this["athena-results"].id
        SHELL_JOB              = aws_glue_job.ingest["shell"].name
        SPARK_JOB              = aws_glue_job.ingest["spark"].name
        DPU_HOUR_USD           = tostring(var.dpu_hour_usd)
        FLEX_DPU_HOUR_USD      = tostring(var.flex_dpu_hour_usd)
        SHELL_DPU              = tostring(local.glue_jobs.shell.max_capacity)
        # Measured by bench/ingest.py: CPU seconds for the 996 MB of TPC-H lineitem at scale factor 1, landed and
        # curated (shell 13.4, Spark 59), spread over the vCPUs of the job: a quarter of one in a Python shell
        # job of 0.0625 DPU, four in a worker of type G.1X. What AWS takes to start Spark is not measured.
        SHELL_BYTES_PER_SECOND = "18000000"
        SPARK_BYTES_PER_SECOND = "67000000"
        # What a table takes in such a job besides its rows, of a quarter of a vCPU: sessions, leases, commits.
        SHELL_TABLE_SECONDS = "2"
        SPARK_START_SECONDS = "60"
        TARGET_SECONDS      = tostring(var.table_target_seconds)
        MAX_WORKERS         = tostring(var.spark_max_workers)
      }
    }
    register = {
      description = "Compares source tables with their registered structure, and registers new versions."
      timeout     = 60
      memory      = 256
      asks_db     = true
      environment = {
        JOB_SETTINGS_TABLE     = aws_dynamodb_table.this["job_settings"].name
        TABLE_STRUCTURES_TABLE = aws_dynamodb_table.this["table_structures"].name
        SECRET_ID              = aws_secretsmanager_secret.onprem_db.name
      }
    }
    notify = {
      description = "Tells consumers how runs went, operators what to decide, and CloudWatch both."
      timeout     = 300
      memory      = 256
      asks_db     = false
      environment = {
        JOB_SETTINGS_TABLE = aws_dynamodb_table.this["job_settings"].name
        INGEST_RUNS_TABLE  = aws_dynamodb_table.this["ingest_runs"].name
        OPERATORS_TOPIC    = aws_sns_topic.this["operators"].arn
        APPROVAL_HOURS     = tostring(var.approval_hours)
      }
    }
    reschedule = {
      description = "Gives the rule of the ingest the schedule that operators put into Parameter Store."
      timeout     = 60
      memory      = 128
      asks_db     = false
      environment = {
        SCHEDULE_PARAMETER = aws_ssm_parameter.ingest["schedule"].name
        RULE               = aws_cloudwatch_event_rule.schedule.name
      }
    }
    rotate = {
      description = "Gives the user of the ingest a new password in the database, and puts it into its secret."
      timeout     = 60
      memory      = 256
      asks_db     = true
      environment = {}
    }
  }
  function_names = { for name in keys(local.lambdas) : name => "${local.prefix}-${name}" }
}

resource "aws_cloudwatch_log_group" "lambda" {
  for_each = local.lambdas

  name              = "/aws/lambda/${local.function_names[each.key]}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.data.arn
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_117:The one that is outside the VPC asks AWS's services only.
  #checkov:skip=CKV_AWS_272:The code comes from the bucket that only the build writes, with its hash in the plan.
  for_each = local.lambdas

  function_name                  = local.function_names[each.key]
  description                    = each.value.description
  role                           = aws_iam_role.lambda[each.key].arn
  runtime                        = "python3.13"
  handler                        = "handler.handler"
  s3_bucket                      = aws_s3_object.artifact["lambdas/${each.key}.zip"].bucket
  s3_key                         = aws_s3_object.artifact["lambdas/${each.key}.zip"].key
  source_code_hash               = local.package.files["lambdas/${each.key}.zip"].base64sha256
  memory_size                    = each.value.memory
  timeout                        = each.value.timeout
  reserved_concurrent_executions = var.lambda_reserved_concurrency
  kms_key_arn                    = length(each.value.environment) == 0 ? null : aws_kms_key.data.arn

  dynamic "environment" {
    for_each = length(each.value.environment) == 0 ? [] : [each.value.environment]

    content {
      variables = environment.value
    }
  }

  dynamic "vpc_config" {
    for_each = each.value.asks_db ? ["private"] : []

    content {
      subnet_ids         = [for subnet in aws_subnet.private : subnet.id]
      security_group_ids = [aws_security_group.this["functions"].id]
    }
  }

  # What was invoked by an event and failed for good.
  dead_letter_config {
    target_arn = aws_sqs_queue.events_dlq.arn
  }

  tracing_config {
    mode = "Active"
  }

  depends_on = [aws_cloudwatch_log_group.lambda, aws_iam_role_policy.lambda]
}

# Secrets Manager calls the function in four steps, at once when somebody asks, else when it is time.
resource "aws_lambda_permission" "rotate" {
  statement_id   = "SecretsManager"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.this["rotate"].function_name
  principal      = "secretsmanager.amazonaws.com"
  source_account = local.account_id
  source_arn     = aws_secretsmanager_secret.onprem_db.arn
}

# Not at once: the secret gets its first value from whoever owns the database.
resource "aws_secretsmanager_secret_rotation" "onprem_db" {
  secret_id           = aws_secretsmanager_secret.onprem_db.id
  rotation_lambda_arn = aws_lambda_function.this["rotate"].arn
  rotate_immediately  = false

  rotation_rules {
    automatically_after_days = var.rotation_days
  }

  depends_on = [aws_lambda_permission.rotate]
}

# How old the tables are is measured also when nothing runs: that is when it matters.
resource "aws_cloudwatch_event_rule" "freshness" {
  name                = "${local.prefix}-freshness"
  description         = "Measures how old the tables are."
  schedule_expression = "rate(15 minutes)"
}

resource "aws_cloudwatch_event_target" "freshness" {
  rule      = aws_cloudwatch_event_rule.freshness.name
  target_id = "notify"
  arn       = aws_lambda_function.this["notify"].arn
  input     = jsonencode({ action = "measure" })
}

resource "aws_lambda_permission" "freshness" {
  statement_id  = "Freshness"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this["notify"].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.freshness.arn
}
