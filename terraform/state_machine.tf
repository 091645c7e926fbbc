locals {
  state_machine_name = "${local.prefix}-ingest"
}

resource "aws_cloudwatch_log_group" "state_machine" {
  name              = "/aws/vendedlogs/states/${local.state_machine_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.data.arn
}

resource "aws_sfn_state_machine" "ingest" {
  name     = local.state_machine_name
  role_arn = aws_iam_role.state_machine.arn

  definition = templatefile("${path.module}/state_machines/ingest.asl.json.tftpl", {
    partition                 = local.partition
    plan_function_arn         = aws_lambda_function.this["plan"].arn
    register_function_arn     = aws_lambda_function.this["register"].arn
    notify_function_arn       = aws_lambda_function.this["notify"].arn
    ingest_runs_table         = aws_dynamodb_table.this["ingest_runs"].name
    workgroup                 = aws_athena_workgroup.this.name
    quarantine_table          = "${local.operations_database}.quarantine"
    topic_arn                 = aws_sns_topic.this["ingest-events"].arn
    spark_worker_type         = local.glue_jobs.spark.worker_type
    plan_timeout_seconds      = local.lambdas.plan.timeout + 30
    register_timeout_seconds  = local.lambdas.register.timeout + 30
    notify_timeout_seconds    = local.lambdas.notify.timeout + 30
    approval_timeout_seconds  = var.approval_hours * 3600
    query_timeout_seconds     = 1800
    job_timeout_seconds       = (var.job_timeout_minutes + 15) * 60
    execution_timeout_seconds = 86400 + var.approval_hours * 3600
  })

  logging_configuration {
    level                  = "ALL"
    include_execution_data = true
    log_destination        = "${aws_cloudwatch_log_group.state_machine.arn}:*"
  }

  tracing_configuration {
    enabled = true
  }

  depends_on = [aws_iam_role_policy.state_machine]
}

data "aws_iam_policy_document" "state_machine_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["${local.arn.states}:stateMachine:${local.state_machine_name}"]
    }
  }
}

resource "aws_iam_role" "state_machine" {
  name                 = local.state_machine_name
  description          = "What the ingest state machine may do."
  assume_role_policy   = data.aws_iam_policy_document.state_machine_assume.json
  permissions_boundary = var.permissions_boundary
}

data "aws_iam_policy_document" "state_machine" {
  # Each batch of tables is an execution of its own.
  statement {
    sid       = "StartBatches"
    actions   = ["states:StartExecution"]
    resources = ["${local.arn.states}:stateMachine:${local.state_machine_name}"]
  }

  statement {
    sid       = "FollowBatches"
    actions   = ["states:DescribeExecution", "states:StopExecution"]
    resources = [for path in [":*", "/*"] : "${local.arn.states}:execution:${local.state_machine_name}${path}"]
  }

  statement {
    sid       = "CallFunctions"
    actions   = ["lambda:InvokeFunction"]
    resources = [for name in ["plan", "register", "notify"] : aws_lambda_function.this[name].arn]
  }

  statement {
    sid       = "RunJobs"
    actions   = ["glue:StartJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"]
    resources = [for job in aws_glue_job.ingest : job.arn]
  }

  statement {
    sid       = "ReadAndCommitRuns"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.this["ingest_runs"].arn]
  }

  statement {
    sid = "QueryWithAthena"
    actions = [
      "athena:StartQueryExecution",
      "athena:StopQueryExecution",
      "athena:GetQueryExecution",
      "athena:GetQueryResults",
    ]
    resources = [aws_athena_workgroup.this.arn]
  }

  statement {
    sid     = "ReadTheCatalogAndMaintainTables"
    actions = ["glue:GetDatabase", "glue:GetTable", "glue:UpdateTable"]
    resources = concat(
      ["${local.arn.glue}:catalog"],
      [for database in aws_glue_catalog_database.this : database.arn],
      [for name in local.databases : "${local.arn.glue}:table/${name}/*"],
    )
  }

  statement {
    sid       = "ListWhatIsQueried"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [for purpose in ["curated", "athena-results"] : local.bucket_arns[purpose]]
  }

  statement {
    sid       = "ReadAndMaintainTheLake"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    resources = [for name in local.databases : "${local.bucket_arns["curated"]}/${name}/*"]
  }

  statement {
    sid       = "UseTheKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.data.arn]
  }

  statement {
    sid       = "KeepQueryResults"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    resources = ["${local.bucket_arns["athena-results"]}/*"]
  }

  statement {
    sid       = "Report"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.this["ingest-events"].arn]
  }

  # Traces have no resource that a policy could name.
  statement {
    sid = "WriteTraces"
    actions = [
      "xray:GetSamplingRules",
      "xray:GetSamplingTargets",
      "xray:PutTelemetryRecords",
      "xray:PutTraceSegments",
    ]
    resources = ["*"]
  }

  # Log delivery has no resource that a policy could name.
  statement {
    sid = "DeliverLogs"
    actions = [
      "logs:CreateLogDelivery",
      "logs:GetLogDelivery",
      "logs:UpdateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:DescribeResourcePolicies",
      "logs:DescribeLogGroups",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "state_machine" {
  name   = "ingest"
  role   = aws_iam_role.state_machine.id
  policy = data.aws_iam_policy_document.state_machine.json
}
