# Whoever owns a value puts it: it is never in Terraform's state.
resource "aws_secretsmanager_secret" "onprem_db" {
  #checkov:skip=CKV2_AWS_57:The Lambda that rotates it, and when, are beside the other Lambdas.
  name                    = "${local.path}/onprem-db"
  description             = "How the ingest signs in to the on-premises database."
  kms_key_id              = aws_kms_key.data.arn
  recovery_window_in_days = var.is_protected ? 7 : 0
}

resource "aws_secretsmanager_secret" "masking_key" {
  #checkov:skip=CKV2_AWS_57:With another key, equal values would no longer have equal tokens: it stays while the tokens do.
  name                    = "${local.path}/masking-key"
  description             = "Key with which personal data is hashed and tokenised before it leaves the site."
  kms_key_id              = aws_kms_key.data.arn
  recovery_window_in_days = var.is_protected ? 7 : 0
}
