locals {
  # What makes Spark know the tables of the Glue catalog as glue_catalog.DATABASE.TABLE.
  iceberg_conf = {
    "spark.sql.extensions"                        = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
    "spark.sql.catalog.glue_catalog"              = "org.apache.iceberg.spark.SparkCatalog"
    "spark.sql.catalog.glue_catalog.catalog-impl" = "org.apache.iceberg.aws.glue.GlueCatalog"
    "spark.sql.catalog.glue_catalog.io-impl"      = "org.apache.iceberg.aws.s3.S3FileIO"
    "spark.sql.catalog.glue_catalog.warehouse"    = "s3://${aws_s3_bucket.this["curated"].id}/"
  }

  # Glue puts /output and /error after it. For Python shell jobs Glue names no such argument: what they write goes
  # to /aws-glue/python-jobs, which all jobs of the account share, and which is therefore not made here.
  spark_log_prefix = "/aws-glue/${local.prefix}-ingest-spark"

  # A run of a table that is not urgent asks for FLEX; what it costs is counted from dpu and its seconds.
  glue_jobs = {
    spark = {
      command           = "glueetl"
      python_version    = "3"
      glue_version      = "5.1"
      worker_type       = "G.1X"
      number_of_workers = var.spark_max_workers
      max_capacity      = null
      execution_class   = "STANDARD"
      dpu               = var.spark_max_workers
      arguments = {
        "--enable-auto-scaling"    = "true"
        "--enable-metrics"         = "true"
        "--datalake-formats"       = "iceberg"
        "--custom-logGroup-prefix" = local.spark_log_prefix
        # One argument holds every property: Glue puts its own --conf before the first.
        "--conf" = join(" --conf ", [for name in sort(keys(local.iceberg_conf)) : "${name}=${local.iceberg_conf[name]}"])
      }
    }
    shell = {
      command           = "pythonshell"
      python_version    = "3.9"
      glue_version      = "3.0"
      worker_type       = null
      number_of_workers = null
      max_capacity      = 0.0625
      execution_class   = null
      dpu               = 0.0625
      # Without the libraries that Glue would bring: the wheels are all that is needed, and these are older.
      arguments = {
        "--library-set" = "none"
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "spark_job" {
  for_each = toset(["error", "output"])

  name              = "${local.spark_log_prefix}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.data.arn
}

resource "aws_glue_job" "ingest" {
  #checkov:skip=CKV_AWS_195:The buckets encrypt with our key whatever a job says, jobs keep no bookmarks, and the log groups that are ours are encrypted with it.
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
    max_concurrent_runs = tonumber(aws_ssm_parameter.ingest["max_concurrency"].insecure_value) * 2
  }

  default_arguments = merge(each.value.arguments, {
    "--job_settings_table"     = aws_dynamodb_table.this["job_settings"].name
    "--table_structures_table" = aws_dynamodb_table.this["table_structures"].name
    "--ingest_runs_table"      = aws_dynamodb_table.this["ingest_runs"].name
    "--raw_bucket"             = aws_s3_bucket.this["raw"].id
    "--curated_bucket"         = aws_s3_bucket.this["curated"].id
    "--secret_id"              = aws_secretsmanager_secret.onprem_db.name
    "--masking_secret_id"      = aws_secretsmanager_secret.masking_key.name
    "--dpu"                    = tostring(each.value.dpu)
    "--dpu_hour_usd"           = tostring(var.dpu_hour_usd)
    # Not --additional-python-modules: for Python shell jobs it takes names of a package index alone, and no way leads to one.
    "--extra-py-files" = join(",", [
      for key in concat([local.package.libraries[each.key]], local.package.modules[each.key]) :
      "s3://${aws_s3_object.artifact[key].bucket}/${aws_s3_object.artifact[key].key}"
    ])
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
  #checkov:skip=CKV_AWS_356:To describe networks and to write metrics there is no resource to name; the metrics are Glue's alone.
  for_each = local.glue_jobs

  statement {
    sid     = "ReadOwnCode"
    actions = ["s3:GetObject"]
    resources = concat(
      [
        "${local.bucket_arns["artifacts"]}/glue/ingest_${each.key}.py",
        "${local.bucket_arns["artifacts"]}/${local.package.libraries[each.key]}",
      ],
      [for key in distinct([for key in local.package.modules[each.key] : dirname(key)]) : "${local.bucket_arns["artifacts"]}/${key}/*"],
    )
  }

  statement {
    sid       = "ReadSettings"
    actions   = ["dynamodb:GetItem", "dynamodb:Query"]
    resources = [for name in ["job_settings", "table_structures"] : aws_dynamodb_table.this[name].arn]
  }

  statement {
    sid       = "RecordRuns"
    actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.this["ingest_runs"].arn]
  }

  statement {
    sid       = "SignInAndMask"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [aws_secretsmanager_secret.onprem_db.arn, aws_secretsmanager_secret.masking_key.arn]
  }

  statement {
    sid       = "UseTheConnection"
    actions   = ["glue:GetConnection"]
    resources = ["${local.arn.glue}:catalog", aws_glue_connection.onprem.arn]
  }

  # Workers stand in the VPC of the connection. To look around there is nothing to name.
  statement {
    sid = "FindTheVpc"
    actions = [
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeRouteTables",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcAttribute",
      "ec2:DescribeVpcEndpoints",
    ]
    resources = ["*"]
  }

  statement {
    sid     = "StandInTheVpc"
    actions = ["ec2:CreateNetworkInterface"]
    resources = [
      aws_subnet.private[local.zones[0]].arn,
      aws_security_group.this["glue"].arn,
      "${local.arn.ec2}:network-interface/*",
    ]
  }

  statement {
    sid       = "LeaveTheVpc"
    actions   = ["ec2:DeleteNetworkInterface"]
    resources = ["${local.arn.ec2}:network-interface/*"]

    condition {
      test     = "ArnEquals"
      variable = "ec2:Vpc"
      values   = [aws_vpc.this.arn]
    }
  }

  statement {
    sid       = "MarkNetworkInterfaces"
    actions   = ["ec2:CreateTags", "ec2:DeleteTags"]
    resources = ["${local.arn.ec2}:network-interface/*"]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "aws:TagKeys"
      values   = ["aws-glue-service-resource"]
    }
  }

  statement {
    sid       = "UseTheKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.data.arn]
  }

  # S3A also asks where a bucket is, and looks for what an upload in parts has left.
  statement {
    sid       = "ListTheLake"
    actions   = concat(["s3:ListBucket"], each.key == "spark" ? ["s3:GetBucketLocation", "s3:ListBucketMultipartUploads"] : [])
    resources = [local.bucket_arns["raw"], local.bucket_arns["curated"]]
  }

  # What has landed stays as it is: nothing in raw is ever deleted by a job.
  statement {
    sid       = "Land"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
    resources = ["${local.bucket_arns["raw"]}/*"]
  }

  # Except for what Spark writes before its commit, which S3A's committers move to its place, and for S3A's markers of folders.
  dynamic "statement" {
    for_each = each.key == "spark" ? ["PublishWhatIsLanded"] : []

    content {
      sid       = statement.value
      actions   = ["s3:DeleteObject"]
      resources = [for part in ["_temporary/*", "__magic*", ""] : "${local.bucket_arns["raw"]}/*/${part}"]
    }
  }

  statement {
    sid       = "Curate"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = [for name in local.databases : "${local.bucket_arns["curated"]}/${name}/*"]
  }

  statement {
    sid     = "RegisterTables"
    actions = ["glue:GetTable", "glue:CreateTable", "glue:UpdateTable"]
    resources = concat(
      ["${local.arn.glue}:catalog"],
      [for database in aws_glue_catalog_database.this : database.arn],
      [for name in local.databases : "${local.arn.glue}:table/${name}/*"],
    )
  }

  # The metrics of a job, which Glue writes with the role of the job.
  statement {
    sid       = "WriteMetrics"
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = ["Glue"]
    }
  }

  # Glue makes the groups that are missing.
  statement {
    sid     = "WriteLogs"
    actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [
      "${local.arn.logs}:log-group:${each.key == "spark" ? local.spark_log_prefix : "/aws-glue/python-jobs"}/*",
    ]
  }
}

resource "aws_iam_role_policy" "glue_job" {
  for_each = local.glue_jobs

  name   = "ingest"
  role   = aws_iam_role.glue_job[each.key].id
  policy = data.aws_iam_policy_document.glue_job[each.key].json
}
