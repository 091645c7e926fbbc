# What an operator turns, and the planning Lambda reads at each run.
resource "aws_ssm_parameter" "ingest" {
  #checkov:skip=CKV2_AWS_34:Numbers and a schedule, which are no secrets.
  #checkov:skip=CKV_AWS_337:Numbers and a schedule, which are no secrets.
  for_each = {
    schedule = {
      description = "When the ingest starts by itself."
      value       = var.schedule
    }
    max_concurrency = {
      description = "How many tables one run ingests at once."
      value       = tostring(var.max_concurrency)
    }
    spark_threshold_bytes = {
      description = "From this estimated size on, a table of engine auto is ingested by Spark."
      value       = tostring(var.spark_threshold_bytes)
    }
  }

  name           = "/${local.path}/ingest/${each.key}"
  description    = each.value.description
  type           = "String"
  insecure_value = each.value.value
}
