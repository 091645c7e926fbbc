locals {
  # What starts the state machine; each rule tells it why in its input.
  start_rules = {
    schedule = {
      rule  = aws_cloudwatch_event_rule.schedule
      input = jsonencode({})
    }
    file-dropped = {
      rule  = aws_cloudwatch_event_rule.file_dropped
      input = null
    }
  }
  rule_arns = [
    for rule in [aws_cloudwatch_event_rule.schedule, aws_cloudwatch_event_rule.file_dropped, aws_cloudwatch_event_rule.job_failed] : rule.arn
  ]

  # The queue is made with its policy, which names it: a policy of its own would be waited for a second time.
  events_dlq_name = "${local.prefix}-events-dlq"
  events_dlq_arn  = "${local.arn.sqs}:${local.events_dlq_name}"
}

resource "aws_cloudwatch_event_rule" "schedule" {
  name                = "${local.prefix}-ingest-schedule"
  description         = "Starts an ingest of every enabled table that is due."
  schedule_expression = aws_ssm_parameter.ingest["schedule"].insecure_value
  state               = var.is_scheduled ? "ENABLED" : "DISABLED"
}

# s3://RAW/drop/TABLE_ID/NAME: one file for one table.
resource "aws_cloudwatch_event_rule" "file_dropped" {
  name        = "${local.prefix}-file-dropped"
  description = "A file was dropped for a table: it is ingested."

  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"]
    detail = {
      bucket = { name = [aws_s3_bucket.this["raw"].id] }
      object = { key = [{ prefix = "drop/" }] }
    }
  })
}

# Whatever started the job: a run outside the state machine is nobody's otherwise.
resource "aws_cloudwatch_event_rule" "job_failed" {
  name        = "${local.prefix}-job-failed"
  description = "A run of an ingest job did not succeed: operators are told."

  event_pattern = jsonencode({
    source      = ["aws.glue"]
    detail-type = ["Glue Job State Change"]
    detail = {
      jobName = sort([for job in aws_glue_job.ingest : job.name])
      state   = ["FAILED", "TIMEOUT", "ERROR"]
    }
  })
}

resource "aws_cloudwatch_event_target" "start" {
  for_each = local.start_rules

  rule      = each.value.rule.name
  target_id = "ingest"
  arn       = aws_sfn_state_machine.ingest.arn
  role_arn  = aws_iam_role.start.arn
  input     = each.value.input

  dynamic "input_transformer" {
    for_each = each.value.input == null ? ["file"] : []

    content {
      input_paths    = { bucket = "$.detail.bucket.name", key = "$.detail.object.key" }
      input_template = "{\"file\": {\"bucket\": <bucket>, \"key\": <key>}}"
    }
  }

  dead_letter_config {
    arn = aws_sqs_queue.events_dlq.arn
  }

  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 24
  }
}

resource "aws_cloudwatch_event_target" "job_failed" {
  rule      = aws_cloudwatch_event_rule.job_failed.name
  target_id = "operators"
  arn       = aws_sns_topic.this["operators"].arn

  input_transformer {
    input_paths    = { job = "$.detail.jobName", run = "$.detail.jobRunId", state = "$.detail.state", message = "$.detail.message" }
    input_template = "\"The run <run> of <job> ended as <state>: <message>\""
  }

  dead_letter_config {
    arn = aws_sqs_queue.events_dlq.arn
  }

  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 24
  }
}

# Events that could not be delivered: an alarm is raised as soon as there is one.
resource "aws_sqs_queue" "events_dlq" {
  name                      = local.events_dlq_name
  message_retention_seconds = 1209600
  kms_master_key_id         = aws_kms_key.data.arn
  policy                    = data.aws_iam_policy_document.events_dlq.json
}

data "aws_iam_policy_document" "events_dlq" {
  statement {
    sid       = "RulesLeaveWhatTheyCannotDeliver"
    actions   = ["sqs:SendMessage"]
    resources = [local.events_dlq_arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = local.rule_arns
    }
  }

  statement {
    sid       = "OnlyOverTLS"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [local.events_dlq_arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

data "aws_iam_policy_document" "start_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [for start in local.start_rules : start.rule.arn]
    }
  }
}

resource "aws_iam_role" "start" {
  name                 = "${local.prefix}-ingest-start"
  description          = "Lets the rules start the state machine, and nothing else."
  assume_role_policy   = data.aws_iam_policy_document.start_assume.json
  permissions_boundary = var.permissions_boundary
}

data "aws_iam_policy_document" "start" {
  statement {
    sid       = "StartTheIngest"
    actions   = ["states:StartExecution"]
    resources = [aws_sfn_state_machine.ingest.arn]
  }
}

resource "aws_iam_role_policy" "start" {
  name   = "start"
  role   = aws_iam_role.start.id
  policy = data.aws_iam_policy_document.start.json
}
