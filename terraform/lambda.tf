locals {
  plan_function_name = "${local.prefix}-plan"
  plan_timeout       = 60
}

resource "aws_cloudwatch_log_group" "plan" {
  name              = "/aws/lambda/${local.plan_function_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.data.arn
}

resource "aws_lambda_function" "plan" {
  function_name    = local.plan_function_name
  description      = "Chooses what a run ingests, with which engine."
  role             = aws_iam_role.plan.arn
  runtime          = "python3.13"
  handler          = "handler.handler"
  s3_bucket        = aws_s3_object.artifact["lambdas/plan.zip"].bucket
  s3_key           = aws_s3_object.artifact["lambdas/plan.zip"].key
  source_code_hash = local.package.files["lambdas/plan.zip"].base64sha256
  memory_size      = 256
  timeout          = local.plan_timeout

  environment {
    variables = {
      JOB_SETTINGS_TABLE     = aws_dynamodb_table.this["job_settings"].name
      TABLE_STRUCTURES_TABLE = aws_dynamodb_table.this["table_structures"].name
      INGEST_RUNS_TABLE      = aws_dynamodb_table.this["ingest_runs"].name
      PARAMETER_PATH         = "/${local.path}/ingest"
      SHELL_JOB              = aws_glue_job.ingest["shell"].name
      SPARK_JOB              = aws_glue_job.ingest["spark"].name
    }
  }

  depends_on = [aws_cloudwatch_log_group.plan, aws_iam_role_policy.plan]
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

resource "aws_iam_role" "plan" {
  name                 = "${local.prefix}-plan"
  description          = "What the planning Lambda may do."
  assume_role_policy   = data.aws_iam_policy_document.lambda_assume.json
  permissions_boundary = var.permissions_boundary
}

data "aws_iam_policy_document" "plan" {
  statement {
    sid       = "ReadSettings"
    actions   = ["dynamodb:Scan"]
    resources = [aws_dynamodb_table.this["job_settings"].arn]
  }

  statement {
    sid       = "SizeTables"
    actions   = ["dynamodb:GetItem"]
    resources = [aws_dynamodb_table.this["ingest_runs"].arn]
  }

  statement {
    sid       = "ReadStructures"
    actions   = ["dynamodb:Query"]
    resources = [aws_dynamodb_table.this["table_structures"].arn]
  }

  statement {
    sid       = "ReadParameters"
    actions   = ["ssm:GetParameters"]
    resources = [for name in ["max_concurrency", "spark_threshold_bytes"] : aws_ssm_parameter.ingest[name].arn]
  }

  statement {
    sid       = "UseTheKey"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.data.arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.plan.arn}:*"]
  }
}

resource "aws_iam_role_policy" "plan" {
  name   = "plan"
  role   = aws_iam_role.plan.id
  policy = data.aws_iam_policy_document.plan.json
}
