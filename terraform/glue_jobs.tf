locals {
  glue_jobs = {
    spark = {
      command           = "glueetl"
      python_version    = "3"
      glue_version      = "5.1"
      worker_type       = "G.1X"
      number_of_workers = 2
      max_capacity      = null
      execution_class   = "STANDARD"
      arguments         = {}
    }
    shell = {
      command           = "pythonshell"
      python_version    = "3.9"
      glue_version      = "3.0"
      worker_type       = null
      number_of_workers = null
      max_capacity      = 0.0625
      execution_class   = null
      arguments = {
        "--additional-python-modules" = join(",", local.package.shell_modules)
      }
    }
  }
}

resource "aws_glue_job" "ingest" {
  for_each = local.glue_jobs

  name              = "${local.prefix}-ingest-${each.key}"
  description       = "Ingests one table of the on-premises database into the lake."
  role_arn          = aws_iam_role.glue_job[each.key].arn
  glue_version      = each.value.glue_version
  worker_type       = each.value.worker_type
  number_of_workers = each.value.number_of_workers
  max_capacity      = each.value.max_capacity
  execution_class   = each.value.execution_class
  timeout           = var.job_timeout_minutes
  max_retries       = 0
  connections       = [aws_glue_connection.onprem.name]

  command {
    name            = each.value.command
    python_version  = each.value.python_version
    script_location = "s3://${aws_s3_object.artifact["glue/ingest_${each.key}.py"].bucket}/${aws_s3_object.artifact["glue/ingest_${each.key}.py"].key}"
  }

  execution_property {
    max_concurrent_runs = var.max_concurrency * 2
  }

  default_arguments = merge(each.value.arguments, {
    "--job_settings_table"     = aws_dynamodb_table.this["job_settings"].name
    "--table_structures_table" = aws_dynamodb_table.this["table_structures"].name
    "--ingest_runs_table"      = aws_dynamodb_table.this["ingest_runs"].name
    "--lake_bucket"            = aws_s3_bucket.this["lake"].id
    "--secret_id"              = aws_secretsmanager_secret.onprem_db.name
    "--extra-py-files"         = "s3://${aws_s3_object.artifact[local.package.libraries[each.key]].bucket}/${aws_s3_object.artifact[local.package.libraries[each.key]].key}"
  })
}

data "aws_iam_policy_document" "glue_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["glue.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }
}

resource "aws_iam_role" "glue_job" {
  for_each = local.glue_jobs

  name                 = "${local.prefix}-glue-ingest-${each.key}"
  description          = "What the Glue job ${local.prefix}-ingest-${each.key} may do."
  assume_role_policy   = data.aws_iam_policy_document.glue_assume.json
  permissions_boundary = var.permissions_boundary
}

data "aws_iam_policy_document" "glue_job" {
  for_each = local.glue_jobs

  statement {
    sid     = "ReadOwnCode"
    actions = ["s3:GetObject"]
    resources = [
      "${local.bucket_arns["artifacts"]}/glue/ingest_${each.key}.py",
      "${local.bucket_arns["artifacts"]}/${local.package.libraries[each.key]}",
    ]
  }

  statement {
    sid       = "ReadSettings"
    actions   = ["dynamodb:GetItem", "dynamodb:Query"]
    resources = [for name in ["job_settings", "table_structures"] : aws_dynamodb_table.this[name].arn]
  }

  statement {
    sid       = "RecordRuns"
    actions   = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.this["ingest_runs"].arn]
  }

  statement {
    sid       = "SignInToTheDatabase"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [aws_secretsmanager_secret.onprem_db.arn]
  }

  statement {
    sid       = "UseTheConnection"
    actions   = ["glue:GetConnection"]
    resources = ["${local.arn.glue}:catalog", aws_glue_connection.onprem.arn]
  }

  statement {
    sid       = "ListTheLake"
    actions   = ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"]
    resources = [local.bucket_arns["lake"]]
  }

  statement {
    sid = "WriteTheLake"
    actions = [
      "s3:GetObject",
      "s3:PutObject",
      "s3:DeleteObject",
      "s3:AbortMultipartUpload",
      "s3:ListMultipartUploadParts",
    ]
    resources = [for name in local.databases : "${local.bucket_arns["lake"]}/${name}/*"]
  }

  statement {
    sid = "RegisterTables"
    actions = [
      "glue:GetDatabase",
      "glue:GetTable",
      "glue:CreateTable",
      "glue:UpdateTable",
      "glue:GetPartition",
      "glue:GetPartitions",
      "glue:BatchGetPartition",
      "glue:CreatePartition",
      "glue:BatchCreatePartition",
      "glue:UpdatePartition",
      "glue:BatchUpdatePartition",
      "glue:DeletePartition",
      "glue:BatchDeletePartition",
    ]
    resources = concat(
      ["${local.arn.glue}:catalog"],
      [for database in aws_glue_catalog_database.this : database.arn],
      [for name in local.databases : "${local.arn.glue}:table/${name}/*"],
    )
  }

  # Glue names these log groups itself, the same for every job of an account.
  statement {
    sid     = "WriteLogs"
    actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [
      "${local.arn.logs}:log-group:/aws-glue/${each.key == "spark" ? "jobs" : "python-jobs"}/*",
    ]
  }
}

resource "aws_iam_role_policy" "glue_job" {
  for_each = local.glue_jobs

  name   = "ingest"
  role   = aws_iam_role.glue_job[each.key].id
  policy = data.aws_iam_policy_document.glue_job[each.key].json
}
