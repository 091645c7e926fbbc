resource "aws_s3_bucket" "this" {
  bucket        = "types-ground"
  force_destroy = true
  tags          = { step = var.step }
}

resource "aws_s3_bucket" "locked" {
  bucket              = "types-ground-locked"
  object_lock_enabled = true
  force_destroy       = true
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.bucket
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_versioning" "locked" {
  bucket = aws_s3_bucket.locked.bucket
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_accelerate_configuration" "this" {
  bucket = aws_s3_bucket.this.bucket
  status = var.step == 1 ? "Enabled" : "Suspended"
}

resource "aws_s3_bucket_acl" "this" {
  bucket     = aws_s3_bucket.this.bucket
  acl        = var.step == 1 ? "private" : "log-delivery-write"
  depends_on = [aws_s3_bucket_ownership_controls.this]
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.bucket
  rule { object_ownership = var.step == 1 ? "BucketOwnerPreferred" : "ObjectWriter" }
}

resource "aws_s3_bucket_analytics_configuration" "this" {
  bucket = aws_s3_bucket.this.bucket
  name   = "all"
  filter { prefix = "step${var.step}/" }
}

resource "aws_s3_bucket_cors_configuration" "this" {
  bucket = aws_s3_bucket.this.bucket
  cors_rule {
    allowed_methods = ["GET"]
    allowed_origins = ["https://example.com"]
    max_age_seconds = 60 * var.step
  }
}

resource "aws_s3_bucket_intelligent_tiering_configuration" "this" {
  bucket = aws_s3_bucket.this.bucket
  name   = "all"
  tiering {
    access_tier = "ARCHIVE_ACCESS"
    days        = 90 + var.step
  }
}

resource "aws_s3_bucket_inventory" "this" {
  bucket                   = aws_s3_bucket.this.bucket
  name                     = "all"
  included_object_versions = "All"
  optional_fields          = ["Size", "ETag"]
  schedule { frequency = var.step == 1 ? "Daily" : "Weekly" }
  destination {
    bucket {
      format     = "Parquet"
      bucket_arn = aws_s3_bucket.this.arn
      prefix     = "inventory"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.bucket
  rule {
    id     = "expire"
    status = "Enabled"
    filter {
      and {
        prefix = "raw/"
        tags   = { kind = "raw" }
      }
    }
    expiration { days = 30 * var.step }
    noncurrent_version_expiration { noncurrent_days = 7 }
    transition {
      days          = 30
      storage_class = "STANDARD_IA"
    }
    abort_incomplete_multipart_upload { days_after_initiation = 1 }
  }
  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_logging" "this" {
  bucket        = aws_s3_bucket.locked.bucket
  target_bucket = aws_s3_bucket.this.bucket
  target_prefix = "step${var.step}/"
}

resource "aws_s3_bucket_metric" "this" {
  bucket = aws_s3_bucket.this.bucket
  name   = "all"
  filter { prefix = "step${var.step}/" }
}

resource "aws_s3_bucket_notification" "this" {
  bucket      = aws_s3_bucket.this.bucket
  eventbridge = true
  queue {
    id            = "raw"
    queue_arn     = aws_sqs_queue.ground.arn
    events        = ["s3:ObjectCreated:*"]
    filter_prefix = "step${var.step}/"
    filter_suffix = ".csv"
  }
}

resource "aws_sqs_queue" "ground" {
  name = "types-ground"
}

resource "aws_s3_bucket_object_lock_configuration" "this" {
  bucket = aws_s3_bucket.locked.bucket
  rule {
    default_retention {
      mode = "GOVERNANCE"
      days = var.step
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.bucket
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Step${var.step}"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
      Condition = { StringEquals = { "aws:PrincipalTag/none" = "yes" } }
    }]
  })
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.bucket
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = var.step == 1
}

resource "aws_s3_bucket_replication_configuration" "this" {
  bucket = aws_s3_bucket.this.bucket
  role   = aws_iam_role.this.arn
  rule {
    id     = "all"
    status = var.step == 1 ? "Enabled" : "Disabled"
    filter { prefix = "raw/" }
    delete_marker_replication { status = "Disabled" }
    destination {
      bucket        = aws_s3_bucket.locked.arn
      storage_class = "STANDARD"
    }
  }
  depends_on = [aws_s3_bucket_versioning.this, aws_s3_bucket_versioning.locked]
}

resource "aws_s3_bucket_request_payment_configuration" "this" {
  bucket = aws_s3_bucket.this.bucket
  payer  = var.step == 1 ? "Requester" : "BucketOwner"
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.bucket
  rule {
    bucket_key_enabled = var.step == 1
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_website_configuration" "this" {
  bucket = aws_s3_bucket.this.bucket
  index_document { suffix = "index${var.step}.html" }
  error_document { key = "error.html" }
}

resource "aws_s3_object" "this" {
  bucket        = aws_s3_bucket.this.bucket
  key           = "scripts/job.py"
  content       = "print(${var.step})"
  content_type  = "text/x-python"
  metadata      = { kind = "job" }
  tags          = { step = var.step }
}

resource "aws_s3_object_copy" "this" {
  bucket        = aws_s3_bucket.this.bucket
  key           = "scripts/copy.py"
  source        = "${aws_s3_object.this.bucket}/${aws_s3_object.this.key}"
  # Else it would have the tags of its source, which the configuration does not have.
  tagging_directive = "REPLACE"
}

resource "aws_s3_bucket_object" "this" {
  bucket        = aws_s3_bucket.this.bucket
  key           = "scripts/old.py"
  content       = "print(${var.step})"
}

resource "aws_s3_account_public_access_block" "this" {
  block_public_acls   = true
  block_public_policy = var.step == 1
}

resource "aws_s3_access_point" "this" {
  bucket = aws_s3_bucket.this.bucket
  name   = "types"
}
