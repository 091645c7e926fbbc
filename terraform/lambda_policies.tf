locals {
  # What each function may do beside writing its log and its trace; the keys are the functions'.
  lambda_statements = {
    plan = [
      { sid = "ReadSettings", actions = ["dynamodb:Scan"], resources = [aws_dynamodb_table.this["job_settings"].arn] },
      { sid = "ReadRuns", actions = ["dynamodb:BatchGetItem"], resources = [aws_dynamodb_table.this["ingest_runs"].arn] },
      { sid = "ReadStructures", actions = ["dynamodb:Query", "dynamodb:Scan"], resources = [aws_dynamodb_table.this["table_structures"].arn] },
      { sid = "WriteThePlan", actions = ["s3:PutObject"], resources = ["${local.bucket_arns["athena-results"]}/plans/*"] },
      { sid = "ReadParameters", actions = ["ssm:GetParameters"], resources = [for name in ["max_concurrency", "spark_threshold_bytes"] : aws_ssm_parameter.ingest[name].arn] },
      { sid = "SignInToTheDatabase", actions = ["secretsmanager:GetSecretValue"], resources = [aws_secretsmanager_secret.onprem_db.arn] },
    ]
    register = [
      { sid = "ReadSettings", actions = ["dynamodb:GetItem"], resources = [aws_dynamodb_table.this["job_settings"].arn] },
      { sid = "RegisterStructures", actions = ["dynamodb:Query", "dynamodb:PutItem"], resources = [aws_dynamodb_table.this["table_structures"].arn] },
      { sid = "SignInToTheDatabase", actions = ["secretsmanager:GetSecretValue"], resources = [aws_secretsmanager_secret.onprem_db.arn] },
    ]
    notify = [
      { sid = "ReadSettings", actions = ["dynamodb:Scan"], resources = [aws_dynamodb_table.this["job_settings"].arn] },
      { sid = "ReadAndMarkRuns", actions = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"], resources = [aws_dynamodb_table.this["ingest_runs"].arn] },
      { sid = "ReadResultsAndWriteTheSummary", actions = ["s3:GetObject", "s3:PutObject"], resources = ["${local.bucket_arns["athena-results"]}/plans/*"] },
      { sid = "AskOperators", actions = ["sns:Publish"], resources = [aws_sns_topic.this["operators"].arn] },
    ]
    reschedule = [
      { sid = "ReadTheSchedule", actions = ["ssm:GetParameter"], resources = [aws_ssm_parameter.ingest["schedule"].arn] },
      { sid = "Reschedule", actions = ["events:DescribeRule", "events:PutRule"], resources = [aws_cloudwatch_event_rule.schedule.arn] },
    ]
    rotate = [
      {
        sid       = "RotateTheSecret"
        actions   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"]
        resources = [aws_secretsmanager_secret.onprem_db.arn]
      },
    ]
  }
}

data "aws_iam_policy_document" "lambda_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "lambda" {
  for_each = local.lambdas

  name                 = local.function_names[each.key]
  description          = "What the Lambda ${local.function_names[each.key]} may do."
  assume_role_policy   = data.aws_iam_policy_document.lambda_assume.json
  permissions_boundary = var.permissions_boundary
}

data "aws_iam_policy_document" "lambda" {
  #checkov:skip=CKV_AWS_111:Traces, network interfaces and metrics have no resource that a policy could name.
  #checkov:skip=CKV_AWS_356:Traces, network interfaces and metrics have no resource that a policy could name.
  for_each = local.lambdas

  dynamic "statement" {
    for_each = local.lambda_statements[each.key]

    content {
      sid       = statement.value.sid
      actions   = statement.value.actions
      resources = statement.value.resources
    }
  }

  statement {
    sid       = "UseTheKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.data.arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.lambda[each.key].arn}:*"]
  }

  statement {
    sid       = "LeaveWhatFailed"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.events_dlq.arn]
  }

  statement {
    sid       = "WriteTraces"
    actions   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    resources = ["*"]
  }

  # The service makes the interfaces in the function's name. None of these actions can be narrowed before they exist.
  dynamic "statement" {
    for_each = each.value.asks_db ? ["vpc"] : []

    content {
      sid = "AttachToTheVpc"
      actions = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
      ]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = each.key == "notify" ? ["metrics"] : []

    content {
      sid       = "PutMetrics"
      actions   = ["cloudwatch:PutMetricData"]
      resources = ["*"]

      condition {
        test     = "StringEquals"
        variable = "cloudwatch:namespace"
        values   = ["Millpond"]
      }
    }
  }
}

resource "aws_iam_role_policy" "lambda" {
  for_each = local.lambdas

  name   = each.key
  role   = aws_iam_role.lambda[each.key].id
  policy = data.aws_iam_policy_document.lambda[each.key].json
}
