resource "aws_sfn_state_machine" "this" {
  name     = "types"
  role_arn = aws_iam_role.for["states"].arn
  type     = "STANDARD"
  publish  = true
  tags     = { step = var.step }
  definition = jsonencode({
    StartAt = "One"
    States  = { One = { Type = "Pass", Result = { step = var.step }, End = true } }
  })
  logging_configuration {
    log_destination        = "${aws_cloudwatch_log_group.work.arn}:*"
    include_execution_data = true
    level                  = "ERROR"
  }
  tracing_configuration { enabled = var.step == 2 }
}

resource "aws_sfn_state_machine" "express" {
  name       = "types-express"
  role_arn   = aws_iam_role.for["states"].arn
  type       = "EXPRESS"
  definition = jsonencode({ StartAt = "One", States = { One = { Type = "Succeed" } } })
}

resource "aws_sfn_alias" "this" {
  name        = "live"
  description = "step ${var.step}"
  routing_configuration {
    state_machine_version_arn = "${aws_sfn_state_machine.this.arn}:1"
    weight                    = 100
  }
}

resource "aws_sfn_activity" "this" {
  name = "types"
  tags = { step = var.step }
}
