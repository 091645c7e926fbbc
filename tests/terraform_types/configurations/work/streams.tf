resource "aws_kinesis_stream" "this" {
  name                = "types"
  shard_count         = var.step
  retention_period    = 24 * var.step
  encryption_type     = "KMS"
  kms_key_id          = "alias/aws/kinesis"
  tags                = { step = var.step }
  stream_mode_details { stream_mode = "PROVISIONED" }
}

resource "aws_kinesis_stream" "on_demand" {
  name = "types-on-demand"
  stream_mode_details { stream_mode = "ON_DEMAND" }
}

resource "aws_kinesis_stream_consumer" "this" {
  name       = "types"
  stream_arn = aws_kinesis_stream.this.arn
}

resource "aws_kinesis_resource_policy" "this" {
  resource_arn = aws_kinesis_stream.this.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Step${var.step}"
      Effect    = "Allow"
      Principal = { AWS = "111111111111" }
      Action    = ["kinesis:DescribeStreamSummary", "kinesis:ListShards", "kinesis:PutRecord"]
      Resource  = aws_kinesis_stream.this.arn
    }]
  })
}

resource "aws_kinesis_firehose_delivery_stream" "this" {
  name        = "types"
  destination = "extended_s3"
  tags        = { step = var.step }
  kinesis_source_configuration {
    kinesis_stream_arn = aws_kinesis_stream.this.arn
    role_arn           = aws_iam_role.for["firehose"].arn
  }
  extended_s3_configuration {
    role_arn            = aws_iam_role.for["firehose"].arn
    bucket_arn          = aws_s3_bucket.work.arn
    prefix              = "step${var.step}/!{timestamp:yyyy}/"
    error_output_prefix = "errors/"
    buffering_interval  = 60
    buffering_size      = 64
    compression_format  = "GZIP"
    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.work.name
      log_stream_name = "delivery"
    }
    processing_configuration {
      enabled = true
      processors {
        type = "Lambda"
        parameters {
          parameter_name  = "LambdaArn"
          parameter_value = "${aws_lambda_function.this.arn}:$LATEST"
        }
      }
    }
  }
}

resource "aws_kinesis_firehose_delivery_stream" "direct" {
  name        = "types-direct"
  destination = "extended_s3"
  extended_s3_configuration {
    role_arn   = aws_iam_role.for["firehose"].arn
    bucket_arn = aws_s3_bucket.work.arn
  }
}

resource "aws_sns_topic" "this" {
  name              = "types"
  display_name      = "step ${var.step}"
  kms_master_key_id = aws_kms_key.work.id
  tags              = { step = var.step }
}

resource "aws_sns_topic" "fifo" {
  name                        = "types.fifo"
  fifo_topic                  = true
  content_based_deduplication = true
}

resource "aws_sns_topic_policy" "this" {
  arn = aws_sns_topic.this.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Step${var.step}"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.this.arn
    }]
  })
}

resource "aws_sns_topic_data_protection_policy" "this" {
  arn = aws_sns_topic.this.arn
  policy = jsonencode({
    Name    = "step${var.step}"
    Version = "2021-06-01"
    Statement = [{
      DataDirection  = "Inbound"
      DataIdentifier = ["arn:aws:dataprotection::aws:data-identifier/EmailAddress"]
      Operation      = { Deny = {} }
      Principal      = ["*"]
      Sid            = "deny"
    }]
  })
}

resource "aws_sns_topic_subscription" "queue" {
  topic_arn            = aws_sns_topic.this.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.this.arn
  raw_message_delivery = true
  filter_policy        = jsonencode({ step = [var.step] })
  filter_policy_scope  = "MessageAttributes"
  redrive_policy       = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn })
}

resource "aws_sns_topic_subscription" "email" {
  topic_arn = aws_sns_topic.this.arn
  protocol  = "email"
  endpoint  = "data@example.com"
}

resource "aws_sns_topic_subscription" "function" {
  topic_arn = aws_sns_topic.this.arn
  protocol  = "lambda"
  endpoint  = aws_lambda_function.this.arn
}

resource "aws_sqs_queue" "this" {
  name                       = "types"
  visibility_timeout_seconds = 60 * var.step
  message_retention_seconds  = 3600
  delay_seconds              = 1
  max_message_size           = 2048
  receive_wait_time_seconds  = 5
  sqs_managed_sse_enabled    = true
  tags                       = { step = var.step }
}

resource "aws_sqs_queue" "fifo" {
  name                        = "types.fifo"
  fifo_queue                  = true
  content_based_deduplication = true
  deduplication_scope         = "messageGroup"
  fifo_throughput_limit       = "perMessageGroupId"
}

resource "aws_sqs_queue" "dead" {
  name                              = "types-dead"
  kms_master_key_id                 = "alias/aws/sqs"
  kms_data_key_reuse_period_seconds = 300
}

resource "aws_sqs_queue" "piped" {
  name = "types-piped"
}

resource "aws_sqs_queue_policy" "this" {
  queue_url = aws_sqs_queue.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Step${var.step}"
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.this.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.this.arn } }
    }]
  })
}

resource "aws_sqs_queue_redrive_policy" "this" {
  queue_url      = aws_sqs_queue.this.id
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn, maxReceiveCount = 2 + var.step })
}

resource "aws_sqs_queue_redrive_allow_policy" "this" {
  queue_url            = aws_sqs_queue.dead.id
  redrive_allow_policy = jsonencode({ redrivePermission = "byQueue", sourceQueueArns = [aws_sqs_queue.this.arn] })
}
