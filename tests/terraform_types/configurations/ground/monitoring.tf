resource "aws_cloudwatch_log_group" "this" {
  name              = "types"
  retention_in_days = var.step == 1 ? 7 : 14
  tags              = { step = var.step }
}

resource "aws_cloudwatch_log_group" "delivered" {
  name            = "types-delivered"
  log_group_class = "INFREQUENT_ACCESS"
}

resource "aws_cloudwatch_log_stream" "this" {
  name           = "types"
  log_group_name = aws_cloudwatch_log_group.this.name
}

resource "aws_cloudwatch_log_metric_filter" "this" {
  name           = "types"
  log_group_name = aws_cloudwatch_log_group.this.name
  pattern        = "ERROR"
  metric_transformation {
    name          = "Errors${var.step}"
    namespace     = "Types"
    value         = "1"
    default_value = "0"
    unit          = "Count"
  }
}

resource "aws_cloudwatch_log_subscription_filter" "this" {
  name            = "types"
  log_group_name  = aws_cloudwatch_log_group.this.name
  filter_pattern  = var.step == 1 ? "ERROR" : "WARN"
  destination_arn = aws_kinesis_stream.ground.arn
  role_arn        = aws_iam_role.this.arn
  distribution    = "ByLogStream"
}

resource "aws_cloudwatch_log_resource_policy" "this" {
  policy_name = "types"
  policy_document = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Step${var.step}"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "logs:PutLogEvents"
      Resource  = "*"
    }]
  })
}

resource "aws_cloudwatch_log_destination" "this" {
  name       = "types"
  role_arn   = aws_iam_role.this.arn
  target_arn = aws_kinesis_stream.ground.arn
  tags       = { step = var.step }
}

resource "aws_cloudwatch_log_destination_policy" "this" {
  destination_name = aws_cloudwatch_log_destination.this.name
  access_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Step${var.step}"
      Effect    = "Allow"
      Principal = { AWS = "111111111111" }
      Action    = "logs:PutSubscriptionFilter"
      Resource  = aws_cloudwatch_log_destination.this.arn
    }]
  })
}

resource "aws_cloudwatch_log_data_protection_policy" "this" {
  log_group_name = aws_cloudwatch_log_group.this.name
  policy_document = jsonencode({
    Name    = "step${var.step}"
    Version = "2021-06-01"
    Statement = [
      {
        Sid            = "Audit"
        DataIdentifier = ["arn:aws:dataprotection::aws:data-identifier/EmailAddress"]
        Operation      = { Audit = { FindingsDestination = {} } }
      },
      {
        Sid            = "Redact"
        DataIdentifier = ["arn:aws:dataprotection::aws:data-identifier/EmailAddress"]
        Operation      = { Deidentify = { MaskConfig = {} } }
      }
    ]
  })
}

resource "aws_cloudwatch_query_definition" "this" {
  name            = "types"
  log_group_names = [aws_cloudwatch_log_group.this.name]
  query_string    = "fields @message | limit ${var.step}"
}

resource "aws_cloudwatch_metric_alarm" "this" {
  alarm_name          = "types"
  alarm_description   = "step ${var.step}"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.ground.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  datapoints_to_alarm = 1
  threshold           = var.step
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  tags                = { step = var.step }
}

resource "aws_cloudwatch_metric_alarm" "query" {
  alarm_name          = "types-query"
  evaluation_periods  = 1
  threshold           = var.step
  comparison_operator = "GreaterThanThreshold"
  metric_query {
    id          = "rate"
    expression  = "errors / 2"
    return_data = true
  }
  metric_query {
    id = "errors"
    metric {
      namespace   = "Types"
      metric_name = "Errors"
      period      = 60
      stat        = "Sum"
    }
  }
}

resource "aws_cloudwatch_composite_alarm" "this" {
  alarm_name        = "types-composite"
  alarm_description = "step ${var.step}"
  alarm_rule        = "ALARM(${aws_cloudwatch_metric_alarm.this.alarm_name})"
  tags              = { step = var.step }
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = "types"
  dashboard_body = jsonencode({
    widgets = [{ type = "text", x = 0, y = 0, width = 6, height = 3, properties = { markdown = "step ${var.step}" } }]
  })
}

resource "aws_cloudwatch_metric_stream" "this" {
  name          = "types"
  role_arn      = aws_iam_role.this.arn
  firehose_arn  = "arn:aws:firehose:eu-west-1:000000000000:deliverystream/metrics"
  output_format = "json"
  tags          = { step = var.step }
}
