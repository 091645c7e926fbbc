# Whoever owns the database puts the value: it is never in Terraform's state.
resource "aws_secretsmanager_secret" "onprem_db" {
  name                    = "${local.path}/onprem-db"
  description             = "How the ingest signs in to the on-premises database."
  recovery_window_in_days = var.is_protected ? 7 : 0
}
