resource "aws_glue_catalog_database" "this" {
  for_each = local.databases

  name = each.key
  description = (
    each.key == local.operations_database
    ? "What the ingest keeps beside the tables it ingests."
    : "Tables ingested from the on-premises database."
  )
  location_uri = "s3://${aws_s3_bucket.this["curated"].id}/${each.key}"
}

# One subnet: a job's workers stand in the zone of its connection.
resource "aws_glue_connection" "onprem" {
  name            = "${local.prefix}-onprem"
  description     = "The on-premises database, and the place in the VPC from where it is reached."
  connection_type = "JDBC"

  connection_properties = {
    JDBC_CONNECTION_URL = "jdbc:postgresql://${var.onprem_db.host}:${var.onprem_db.port}/${var.onprem_db.name}"
    SECRET_ID           = aws_secretsmanager_secret.onprem_db.name
  }

  physical_connection_requirements {
    availability_zone      = local.zones[0]
    subnet_id              = aws_subnet.private[local.zones[0]].id
    security_group_id_list = [aws_security_group.this["glue"].id]
  }
}
