resource "aws_sns_topic" "ingest_events" {
  name = "${local.prefix}-ingest-events"
}

resource "aws_cloudwatch_metric_alarm" "executions_failed" {
  alarm_name          = "${local.prefix}-ingest-failed"
  alarm_description   = "An ingest run did not ingest every table."
  namespace           = "AWS/States"
  metric_name         = "ExecutionsFailed"
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.ingest_events.arn]

  dimensions = {
    StateMachineArn = aws_sfn_state_machine.ingest.arn
  }
}
