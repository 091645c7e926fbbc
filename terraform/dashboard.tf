locals {
  # Rows of widgets; a metric is "namespace", "name" and its dimensions.
  dashboard = [
    [
      { title = "Runs", stat = "Sum", metrics = [for name in ["ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut"] : ["AWS/States", name, "StateMachineArn", aws_sfn_state_machine.ingest.arn]] },
      { title = "How long a run takes (ms)", stat = "Maximum", metrics = [["AWS/States", "ExecutionTime", "StateMachineArn", aws_sfn_state_machine.ingest.arn]] },
      { title = "Tables not ingested, steps failed", stat = "Sum", metrics = [for name in keys(aws_cloudwatch_log_metric_filter.state_machine) : [local.namespace, name]] },
    ],
    [
      { title = "Rows in quarantine", stat = "Sum", metrics = [[local.namespace, "RowsQuarantined"]] },
      { title = "Tables that shrank", stat = "Maximum", metrics = [[local.namespace, "RowsDropped"]] },
      { title = "Cost of the day (USD)", stat = "Maximum", metrics = [[local.namespace, "CostOfDayUSD"]] },
    ],
    [
      { title = "Minutes since the last commit", stat = "Maximum", metrics = [for table_id in sort(keys(local.job_settings)) : [local.namespace, "MinutesSinceCommit", "TableId", table_id] if local.job_settings[table_id].enabled] },
      { title = "What Athena scanned (bytes)", stat = "Sum", metrics = [["AWS/Athena", "ProcessedBytes", "WorkGroup", aws_athena_workgroup.this.name]] },
      { title = "Errors of Lambdas", stat = "Sum", metrics = [for function in values(local.watched_functions) : ["AWS/Lambda", "Errors", "FunctionName", function]] },
    ],
    [
      { title = "Undelivered events", stat = "Maximum", metrics = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", aws_sqs_queue.events_dlq.name]] },
      { title = "Requests of DynamoDB that were throttled", stat = "Sum", metrics = [for table in aws_dynamodb_table.this : ["AWS/DynamoDB", "ThrottledRequests", "TableName", table.name]] },
      { title = "Commits and reads (capacity units)", stat = "Sum", metrics = [for name in ["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"] : ["AWS/DynamoDB", name, "TableName", aws_dynamodb_table.this["ingest_runs"].name]] },
    ],
  ]
  widget = { width = 8, height = 6 }
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = local.prefix

  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type       = "alarm"
        x          = 0
        y          = 0
        width      = 24
        height     = 3
        properties = { title = "Alarms", alarms = sort(concat([for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn], [aws_cloudwatch_metric_alarm.ingest_late.arn], [for alarm in aws_cloudwatch_composite_alarm.tables_late : alarm.arn])) }
      }],
      flatten([
        for row, charts in local.dashboard : [
          for column, chart in charts : {
            type   = "metric"
            x      = column * local.widget.width
            y      = 3 + row * local.widget.height
            width  = local.widget.width
            height = local.widget.height
            properties = {
              title   = chart.title
              region  = var.region
              view    = "timeSeries"
              stacked = false
              period  = 300
              stat    = chart.stat
              metrics = chart.metrics
            }
          }
        ]
      ]),
    )
  })
}
