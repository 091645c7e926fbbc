resource "aws_athena_workgroup" "this" {
  name          = local.prefix
  description   = "Queries of the lake, and the checks of the ingest."
  force_destroy = !var.is_protected

  configuration {
    enforce_workgroup_configuration = true
    bytes_scanned_cutoff_per_query  = var.query_scan_limit_bytes

    result_configuration {
      output_location = "s3://${aws_s3_bucket.this["athena-results"].id}/"
    }
  }
}
