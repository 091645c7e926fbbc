resource "aws_cloudwatch_event_rule" "schedule" {
  name                = "${local.prefix}-ingest-schedule"
  description         = "Starts an ingest of every enabled table."
  schedule_expression = var.schedule
  state               = var.is_scheduled ? "ENABLED" : "DISABLED"
}

resource "aws_cloudwatch_event_target" "schedule" {
  rule      = aws_cloudwatch_event_rule.schedule.name
  target_id = "ingest"
  arn       = aws_sfn_state_machine.ingest.arn
  role_arn  = aws_iam_role.schedule.arn
  input     = jsonencode({})
}

data "aws_iam_policy_document" "schedule_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.schedule.arn]
    }
  }
}

resource "aws_iam_role" "schedule" {
  name                 = "${local.prefix}-ingest-schedule"
  description          = "Lets the schedule start the state machine, and nothing else."
  assume_role_policy   = data.aws_iam_policy_document.schedule_assume.json
  permissions_boundary = var.permissions_boundary
}

data "aws_iam_policy_document" "schedule" {
  statement {
    sid       = "StartTheIngest"
    actions   = ["states:StartExecution"]
    resources = [aws_sfn_state_machine.ingest.arn]
  }
}

resource "aws_iam_role_policy" "schedule" {
  name   = "start"
  role   = aws_iam_role.schedule.id
  policy = data.aws_iam_policy_document.schedule.json
}
