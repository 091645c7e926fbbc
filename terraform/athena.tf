resource "aws_athena_workgroup" "this" {
  name          = local.prefix
  description   = "Queries of the lake, and the checks of the ingest."
  force_destroy = !var.is_protected

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = var.query_scan_limit_bytes

    engine_version {
      selected_engine_version = "Athena engine version 3"
    }

    result_configuration {
      output_location       = "s3://${aws_s3_bucket.this["athena-results"].id}/"
      expected_bucket_owner = local.account_id

      encryption_configuration {
        encryption_option = "SSE_KMS"
        kms_key_arn       = aws_kms_key.data.arn
      }
    }
  }
}

locals {
  # about: the ingested table that a query reads; null when it reads what every ingest has.
  named_queries = {
    quarantined-rows = { database = local.operations_database, about = null, description = "The rows that were put into quarantine last, and why." }
    quarantine-rules = { database = local.operations_database, about = null, description = "How often each rule was violated, by table and day." }
    orders-history   = { database = "erp", about = "erp.orders", description = "Each snapshot of the orders with the run that made it." }
    orders-files     = { database = "erp", about = "erp.orders", description = "How many files the orders have, and how small they are." }
  }
}

resource "aws_athena_named_query" "this" {
  for_each = {
    for name, query in local.named_queries : name => query
    if query.about == null || contains(keys(local.job_settings), coalesce(query.about, "-"))
  }

  name        = "${local.prefix}-${each.key}"
  description = each.value.description
  workgroup   = aws_athena_workgroup.this.id
  database    = aws_glue_catalog_database.this[each.value.database].name
  query       = file("${path.module}/queries/${each.key}.sql")
}
