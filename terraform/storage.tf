locals {
  buckets = {
    for purpose in ["lake", "artifacts", "athena-results"] :
    purpose => "${local.prefix}-${purpose}-${local.account_id}-${var.region}"
  }
  bucket_arns = { for purpose, bucket in aws_s3_bucket.this : purpose => bucket.arn }
}

resource "aws_s3_bucket" "this" {
  for_each = local.buckets

  bucket        = each.value
  force_destroy = !var.is_protected
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = aws_s3_bucket.this

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# Job scripts, the ingest library and Lambda zips, under the names of the build.
resource "aws_s3_object" "artifact" {
  for_each = local.package.files

  bucket      = aws_s3_bucket.this["artifacts"].id
  key         = each.key
  source      = "${var.package_dir}/${each.key}"
  source_hash = each.value.sha256
}
