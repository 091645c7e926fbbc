# What an operator turns, and the platform reads at each run: Terraform gives each its first value only.
resource "aws_ssm_parameter" "ingest" {
  #checkov:skip=CKV2_AWS_34:Numbers and a schedule, which are no secrets.
  #checkov:skip=CKV_AWS_337:Numbers and a schedule, which are no secrets.
  for_each = {
    schedule = {
      description = "When the ingest starts by itself; the rule follows at once."
      value       = var.schedule
      pattern     = "^(cron|rate)\\(.+\\)$"
    }
    max_concurrency = {
      description = "How many batches of tables one run ingests at once."
      value       = tostring(var.max_concurrency)
      pattern     = "^([1-9]|[1-3][0-9]|40)$"
    }
    spark_threshold_bytes = {
      description = "From this estimated size on, a table of engine auto is ingested by Spark."
      value       = tostring(var.spark_threshold_bytes)
      pattern     = "^[0-9]{1,18}$"
    }
  }

  name            = "/${local.path}/ingest/${each.key}"
  description     = each.value.description
  type            = "String"
  allowed_pattern = each.value.pattern
  insecure_value  = each.value.value

  lifecycle {
    ignore_changes = [insecure_value]
  }
}

# The rule of the ingest has the schedule of its parameter: at each deployment, and as soon as somebody turns it.
resource "aws_cloudwatch_event_rule" "schedule_turned" {
  name        = "${local.prefix}-schedule-turned"
  description = "Somebody turned the schedule of the ingest: its rule follows."

  event_pattern = jsonencode({
    source      = ["aws.ssm"]
    detail-type = ["Parameter Store Change"]
    detail = {
      name      = [aws_ssm_parameter.ingest["schedule"].name]
      operation = ["Create", "Update"]
    }
  })
}

resource "aws_cloudwatch_event_target" "schedule_turned" {
  rule      = aws_cloudwatch_event_rule.schedule_turned.name
  target_id = "reschedule"
  arn       = aws_lambda_function.this["reschedule"].arn
}

resource "aws_lambda_permission" "schedule_turned" {
  statement_id  = "ScheduleTurned"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this["reschedule"].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.schedule_turned.arn
}
