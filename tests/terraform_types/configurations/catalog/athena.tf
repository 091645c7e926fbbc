resource "aws_athena_workgroup" "this" {
  name          = "types"
  description   = "step ${var.step}"
  force_destroy = true
  tags          = { step = var.step }
  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = var.step == 1
    engine_version { selected_engine_version = "Athena engine version 3" }
    result_configuration {
      output_location = "s3://${aws_s3_bucket.lake.bucket}/results/"
      encryption_configuration {
        encryption_option = "SSE_KMS"
        kms_key_arn       = aws_kms_key.glue.arn
      }
      acl_configuration { s3_acl_option = "BUCKET_OWNER_FULL_CONTROL" }
    }
  }
}

resource "aws_athena_database" "this" {
  name          = "types_athena"
  bucket        = aws_s3_bucket.lake.bucket
  comment       = "a database"
  force_destroy = true
}

resource "aws_athena_named_query" "this" {
  name        = "types"
  workgroup   = aws_athena_workgroup.this.id
  database    = aws_athena_database.this.name
  query       = "SELECT 1"
  description = "a query"
}

resource "aws_athena_prepared_statement" "this" {
  name            = "types"
  workgroup       = aws_athena_workgroup.this.name
  query_statement = "SELECT ${var.step}, ?"
  description     = "step ${var.step}"
}

resource "aws_athena_data_catalog" "glue" {
  name        = "types-glue"
  description = "step ${var.step}"
  type        = "GLUE"
  parameters  = { "catalog-id" = "000000000000" }
  tags        = { step = var.step }
}

resource "aws_athena_data_catalog" "lambda" {
  name        = "types-lambda"
  description = "step ${var.step}"
  type        = "LAMBDA"
  parameters  = { function = "arn:aws:lambda:eu-west-1:000000000000:function:federated" }
}

resource "aws_athena_capacity_reservation" "this" {
  name        = "types"
  target_dpus = 24
  tags        = { step = var.step }
}
