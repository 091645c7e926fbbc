locals {
  topics = {
    operators     = "Alarms, failures and questions, for those who run the platform."
    ingest-events = "How each run went, for those who use the data."
  }

  # Functions whose errors are watched.
  watched_functions = { for name, function in aws_lambda_function.this : name => function.function_name }

  # Tables that are late once their last commit is older than this many minutes.
  freshness_minutes = {
    for table_id, settings in local.job_settings : table_id => settings.freshness_minutes
    if settings.enabled && settings.freshness_minutes != null
  }

  # What the ingest says of itself, in the namespace of the platform.
  namespace = "Millpond"

  # What is said once a run ("missing = ignore") stays true until the next run says otherwise.
  alarms = merge(
    {
      ingest-failed = {
        description = "An ingest run did not ingest every table.", namespace = "AWS/States", metric = "ExecutionsFailed"
        statistic   = "Sum", dimensions = { StateMachineArn = aws_sfn_state_machine.ingest.arn }, threshold = 1
      }
      ingest-timed-out = {
        description = "An ingest run took longer than its limit.", namespace = "AWS/States", metric = "ExecutionsTimedOut"
        statistic   = "Sum", dimensions = { StateMachineArn = aws_sfn_state_machine.ingest.arn }, threshold = 1
      }
      ingest-aborted = {
        description = "Somebody stopped an ingest run.", namespace = "AWS/States", metric = "ExecutionsAborted"
        statistic   = "Sum", dimensions = { StateMachineArn = aws_sfn_state_machine.ingest.arn }, threshold = 1
      }
      rows-dropped = {
        description = "A table was read with less than half the rows of its last run.", namespace = local.namespace, metric = "RowsDropped"
        statistic   = "Maximum", dimensions = {}, threshold = 1, missing = "ignore"
      }
      quarantine-not-empty = {
        description = "Rows of the last run violated the quality rules of their table: see the view quarantine_by_rule.", namespace = local.namespace, metric = "RowsQuarantined"
        statistic   = "Sum", dimensions = {}, threshold = 1, missing = "ignore"
      }
      steps-failing = {
        description = "Steps of runs fail again and again, though retries may hide it.", namespace = local.namespace, metric = "StepsFailed"
        statistic   = "Sum", dimensions = {}, threshold = 10
      }
      daily-cost = {
        description = "The runs of one day cost more than was thought of.", namespace = local.namespace, metric = "CostOfDayUSD"
        statistic   = "Maximum", dimensions = {}, threshold = var.daily_cost_limit_usd, missing = "ignore"
      }
      events-undelivered = {
        description = "An event could not be delivered: it waits in the dead-letter queue.", namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible"
        statistic   = "Maximum", dimensions = { QueueName = aws_sqs_queue.events_dlq.name }, threshold = 1
      }
    },
    { for name, function in local.watched_functions : "${name}-errors" => {
      description = "The Lambda ${function} failed.", namespace = "AWS/Lambda", metric = "Errors"
      statistic   = "Sum", dimensions = { FunctionName = function }, threshold = 1
    } },
  )
}

resource "aws_sns_topic" "this" {
  for_each = local.topics

  name              = "${local.prefix}-${each.key}"
  display_name      = "${local.prefix} ${each.key}"
  kms_master_key_id = aws_kms_key.data.arn
}

data "aws_iam_policy_document" "topic" {
  for_each = local.topics

  statement {
    sid       = "OnlyOverTLS"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.this[each.key].arn]

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

  # The state machine and the Lambdas publish with their roles, which the policy of the account admits.
  statement {
    sid       = "RolesOfTheAccount"
    actions   = ["sns:GetTopicAttributes", "sns:Publish", "sns:Subscribe"]
    resources = [aws_sns_topic.this[each.key].arn]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account_id}:root"]
    }
  }

  dynamic "statement" {
    for_each = each.key == "operators" ? ["Alarms"] : []

    content {
      sid       = statement.value
      actions   = ["sns:Publish"]
      resources = [aws_sns_topic.this[each.key].arn]

      principals {
        type        = "Service"
        identifiers = ["cloudwatch.amazonaws.com"]
      }

      condition {
        test     = "ArnLike"
        variable = "aws:SourceArn"
        values   = ["${local.arn.cloudwatch}:alarm:${local.prefix}-*"]
      }
    }
  }

  # Without a condition: EventBridge fulfils none in the policy of a topic ("Using resource-based policies",
  # EventBridge User Guide).
  dynamic "statement" {
    for_each = each.key == "operators" ? ["FailedJobs"] : []

    content {
      sid       = statement.value
      actions   = ["sns:Publish"]
      resources = [aws_sns_topic.this[each.key].arn]

      principals {
        type        = "Service"
        identifiers = ["events.amazonaws.com"]
      }
    }
  }
}

resource "aws_sns_topic_policy" "this" {
  for_each = aws_sns_topic.this

  arn    = each.value.arn
  policy = data.aws_iam_policy_document.topic[each.key].json
}

# Each address gets a message with a link to confirm.
resource "aws_sns_topic_subscription" "operators" {
  for_each = var.operator_emails

  topic_arn = aws_sns_topic.this["operators"].arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${local.prefix}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 60
  evaluation_periods  = 1
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = try(each.value.missing, "notBreaching")
  alarm_actions       = [aws_sns_topic.this["operators"].arn]
  ok_actions          = [aws_sns_topic.this["operators"].arn]
}

# Nothing that says a run went well is what says that it is late: also a schedule that is off, or broken, is noticed.
resource "aws_cloudwatch_metric_alarm" "ingest_late" {
  alarm_name          = "${local.prefix}-ingest-late"
  alarm_description   = "No ingest run went well for ${var.late_after_hours} hours."
  namespace           = "AWS/States"
  metric_name         = "ExecutionsSucceeded"
  dimensions          = { StateMachineArn = aws_sfn_state_machine.ingest.arn }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = var.late_after_hours
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.this["operators"].arn]
  ok_actions          = [aws_sns_topic.this["operators"].arn]
}

# Each table has its own limit; operators hear of them through the one below.
resource "aws_cloudwatch_metric_alarm" "table_late" {
  for_each = local.freshness_minutes

  alarm_name          = "${local.prefix}-late-${each.key}"
  alarm_description   = "The last commit of ${each.key} is more than ${each.value} minutes old."
  namespace           = local.namespace
  metric_name         = "MinutesSinceCommit"
  dimensions          = { TableId = each.key }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = each.value
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "ignore"
}

resource "aws_cloudwatch_composite_alarm" "tables_late" {
  for_each = length(local.freshness_minutes) == 0 ? {} : { tables-late = [for alarm in aws_cloudwatch_metric_alarm.table_late : alarm.alarm_name] }

  alarm_name        = "${local.prefix}-${each.key}"
  alarm_description = "Tables are older than they may be: ALARM is which of ${local.prefix}-late-* are."
  alarm_rule        = join(" OR ", [for name in sort(each.value) : "ALARM(\"${name}\")"])
  alarm_actions     = [aws_sns_topic.this["operators"].arn]
  ok_actions        = [aws_sns_topic.this["operators"].arn]
}

resource "aws_cloudwatch_log_metric_filter" "state_machine" {
  for_each = {
    StepsFailed       = "{ ($.type = \"TaskFailed\") || ($.type = \"TaskTimedOut\") || ($.type = \"LambdaFunctionFailed\") }"
    TablesNotIngested = "{ ($.type = \"PassStateEntered\") && ($.details.name = \"NotIngested\") }"
  }

  name           = "${local.prefix}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.state_machine.name
  pattern        = each.value

  metric_transformation {
    namespace     = local.namespace
    name          = each.key
    value         = "1"
    default_value = "0"
  }
}
