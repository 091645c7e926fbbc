# To S3, as Parquet: half of what CloudWatch Logs takes, and Athena reads it.
resource "aws_flow_log" "this" {
  vpc_id                   = aws_vpc.this.id
  traffic_type             = "ALL"
  log_destination_type     = "s3"
  log_destination          = "${local.bucket_arns["logs"]}/vpc/"
  max_aggregation_interval = 600

  destination_options {
    file_format                = "parquet"
    hive_compatible_partitions = true
    per_hour_partition         = false
  }

  tags = { Name = local.prefix }

  depends_on = [aws_s3_bucket_policy.this]
}
