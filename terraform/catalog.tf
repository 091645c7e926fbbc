resource "aws_glue_catalog_database" "this" {
  for_each = local.databases

  name         = each.key
  description  = "Tables ingested from the schema ${each.key} of the on-premises database."
  location_uri = "s3://${aws_s3_bucket.this["lake"].id}/${each.key}/"
}

resource "aws_glue_connection" "onprem" {
  name            = "${local.prefix}-onprem"
  description     = "The on-premises database."
  connection_type = "JDBC"

  connection_properties = {
    JDBC_CONNECTION_URL = "jdbc:postgresql://${var.onprem_db.host}:${var.onprem_db.port}/${var.onprem_db.name}"
    SECRET_ID           = aws_secretsmanager_secret.onprem_db.name
  }
}
