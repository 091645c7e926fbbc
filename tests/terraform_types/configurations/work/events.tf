resource "aws_cloudwatch_event_bus" "this" {
  name        = "types"
  description = "step ${var.step}"
  tags        = { step = var.step }
  dead_letter_config { arn = aws_sqs_queue.dead.arn }
}

resource "aws_cloudwatch_event_bus_policy" "this" {
  event_bus_name = aws_cloudwatch_event_bus.this.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Step${var.step}"
      Effect    = "Allow"
      Action    = "events:PutEvents"
      Principal = { AWS = "arn:aws:iam::111111111111:root" }
      Resource  = aws_cloudwatch_event_bus.this.arn
    }]
  })
}

resource "aws_cloudwatch_event_permission" "this" {
  principal    = var.step == 1 ? "111111111111" : "222222222222"
  statement_id = "other"
}

resource "aws_cloudwatch_event_rule" "this" {
  name           = "types"
  description    = "step ${var.step}"
  event_bus_name = aws_cloudwatch_event_bus.this.name
  event_pattern  = jsonencode({ source = ["step${var.step}"] })
  tags           = { step = var.step }
}

resource "aws_cloudwatch_event_rule" "clock" {
  name                = "types-clock"
  schedule_expression = "rate(${var.step + 1} hours)"
  state               = "DISABLED"
  role_arn            = aws_iam_role.for["events"].arn
}

resource "aws_cloudwatch_event_target" "function" {
  rule           = aws_cloudwatch_event_rule.this.name
  event_bus_name = aws_cloudwatch_event_bus.this.name
  target_id      = "function"
  arn            = aws_lambda_function.this.arn
  input_transformer {
    input_paths    = { source = "$.source" }
    input_template = "{\"source\": <source>, \"step\": ${var.step}}"
  }
  retry_policy {
    maximum_event_age_in_seconds = 60
    maximum_retry_attempts       = var.step
  }
  dead_letter_config { arn = aws_sqs_queue.dead.arn }
}

resource "aws_cloudwatch_event_target" "machine" {
  rule     = aws_cloudwatch_event_rule.clock.name
  arn      = aws_sfn_state_machine.this.arn
  role_arn = aws_iam_role.for["events"].arn
  input    = jsonencode({ step = var.step })
}

resource "aws_cloudwatch_event_target" "stream" {
  rule     = aws_cloudwatch_event_rule.clock.name
  arn      = aws_kinesis_stream.this.arn
  role_arn = aws_iam_role.for["events"].arn
  kinesis_target { partition_key_path = "$.id" }
}

resource "aws_cloudwatch_event_target" "queue" {
  rule       = aws_cloudwatch_event_rule.clock.name
  arn        = aws_sqs_queue.fifo.arn
  input_path = "$.detail"
  sqs_target { message_group_id = "step${var.step}" }
}

resource "aws_cloudwatch_event_archive" "this" {
  name             = "types"
  description      = "step ${var.step}"
  event_source_arn = aws_cloudwatch_event_bus.this.arn
  retention_days   = var.step
  event_pattern    = jsonencode({ source = ["a"] })
}

resource "aws_cloudwatch_event_connection" "this" {
  name               = "types"
  description        = "step ${var.step}"
  authorization_type = "API_KEY"
  auth_parameters {
    api_key {
      key   = "x-key"
      value = "secret${var.step}"
    }
    invocation_http_parameters {
      header {
        key   = "x-step"
        value = var.step
      }
    }
  }
}

resource "aws_cloudwatch_event_connection" "basic" {
  name               = "types-basic"
  authorization_type = "BASIC"
  auth_parameters {
    basic {
      username = "user"
      password = "secret"
    }
  }
}

resource "aws_cloudwatch_event_connection" "oauth" {
  name               = "types-oauth"
  authorization_type = "OAUTH_CLIENT_CREDENTIALS"
  auth_parameters {
    oauth {
      authorization_endpoint = "https://example.com/token"
      http_method            = "POST"
      client_parameters {
        client_id     = "id"
        client_secret = "secret"
      }
      oauth_http_parameters {
        body {
          key             = "scope"
          value           = "all"
          is_value_secret = false
        }
      }
    }
  }
}

resource "aws_cloudwatch_event_api_destination" "this" {
  name                             = "types"
  description                      = "step ${var.step}"
  invocation_endpoint              = "https://example.com/${var.step}"
  http_method                      = "POST"
  invocation_rate_limit_per_second = 10
  connection_arn                   = aws_cloudwatch_event_connection.this.arn
}

resource "aws_cloudwatch_event_endpoint" "this" {
  name = "types"
  event_bus { event_bus_arn = aws_cloudwatch_event_bus.this.arn }
  event_bus { event_bus_arn = replace(aws_cloudwatch_event_bus.this.arn, "eu-west-1", "us-east-1") }
  replication_config { state = "DISABLED" }
  routing_config {
    failover_config {
      primary { health_check = "arn:aws:route53:::healthcheck/1" }
      secondary { route = "us-east-1" }
    }
  }
}

resource "aws_scheduler_schedule_group" "this" {
  name = "types"
  tags = { step = var.step }
}

resource "aws_scheduler_schedule" "this" {
  name                         = "types"
  description                  = "step ${var.step}"
  group_name                   = aws_scheduler_schedule_group.this.name
  schedule_expression          = "cron(0 ${var.step} * * ? *)"
  schedule_expression_timezone = "Europe/Berlin"
  state                        = "DISABLED"
  kms_key_arn                  = aws_kms_key.work.arn
  flexible_time_window {
    mode                      = "FLEXIBLE"
    maximum_window_in_minutes = 5
  }
  target {
    arn      = aws_lambda_function.this.arn
    role_arn = aws_iam_role.for["scheduler"].arn
    input    = jsonencode({ step = var.step })
    dead_letter_config { arn = aws_sqs_queue.dead.arn }
    retry_policy {
      maximum_event_age_in_seconds = 60
      maximum_retry_attempts       = var.step
    }
  }
}

resource "aws_pipes_pipe" "this" {
  name          = "types"
  description   = "step ${var.step}"
  role_arn      = aws_iam_role.for["pipes"].arn
  source        = aws_sqs_queue.piped.arn
  target        = aws_lambda_function.this.arn
  desired_state = "STOPPED"
  tags          = { step = var.step }
  source_parameters {
    filter_criteria {
      filter { pattern = jsonencode({ body = { a = [var.step] } }) }
    }
    sqs_queue_parameters {
      batch_size                         = 5
      maximum_batching_window_in_seconds = 1
    }
  }
  target_parameters {
    input_template = "{\"step\": ${var.step}, \"body\": <$.body>}"
    lambda_function_parameters { invocation_type = "REQUEST_RESPONSE" }
  }
}
