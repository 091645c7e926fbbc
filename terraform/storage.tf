locals {
  # noncurrent_days: how long what was overwritten or deleted can be had back.
  buckets = {
    raw            = { is_versioned = true, noncurrent_days = 30 }
    curated        = { is_versioned = true, noncurrent_days = 7 }
    artifacts      = { is_versioned = true, noncurrent_days = 90 }
    athena-results = { is_versioned = false, noncurrent_days = 1 }
    logs           = { is_versioned = false, noncurrent_days = 1 }
  }
  bucket_names = {
    for purpose, bucket in local.buckets : purpose => "${local.prefix}-${purpose}-${local.account_id}-${var.region}"
  }
  bucket_arns = { for purpose, bucket in aws_s3_bucket.this : purpose => bucket.arn }

  # S3 writes access logs only to buckets that it encrypts with its own keys.
  encrypted_buckets = toset([for purpose in keys(local.buckets) : purpose if purpose != "logs"])

  # Objects under 128 KB stay where they are: to move them costs more than it saves.
  lifecycle_rules = {
    raw = {
      grow-cold = { prefix = "", transitions = { STANDARD_IA = var.raw_cool_after_days, GLACIER_IR = var.raw_cold_after_days }, expiration_days = null }
      dropped   = { prefix = "drop/", transitions = {}, expiration_days = 30 }
    }
    curated        = {}
    artifacts      = {}
    athena-results = { results = { prefix = "", transitions = {}, expiration_days = var.result_retention_days } }
    logs           = { logs = { prefix = "", transitions = {}, expiration_days = var.log_retention_days } }
  }
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_144:A copy in another region doubles the cost; the lake can be ingested again, and raw keeps versions.
  #checkov:skip=CKV2_AWS_62:Only raw tells of new files, to EventBridge; nobody waits for those of the others.
  #checkov:skip=CKV_AWS_18:All but the log bucket itself log their access.
  #checkov:skip=CKV_AWS_21:Query results and logs are written once, and kept for a while: versions of them are of no use.
  #checkov:skip=CKV2_AWS_61:Each has a lifecycle, by the same keys: see below.
  #checkov:skip=CKV_AWS_145:The log bucket has keys of S3, the only ones with which S3 writes access logs.
  for_each = local.bucket_names

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

resource "aws_s3_bucket_versioning" "this" {
  for_each = { for purpose, bucket in local.buckets : purpose => bucket if bucket.is_versioned }

  bucket = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  rule {
    bucket_key_enabled = contains(local.encrypted_buckets, each.key)

    apply_server_side_encryption_by_default {
      sse_algorithm     = contains(local.encrypted_buckets, each.key) ? "aws:kms" : "AES256"
      kms_master_key_id = contains(local.encrypted_buckets, each.key) ? aws_kms_key.data.arn : null
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = local.lifecycle_rules

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    id     = "clean-up"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    noncurrent_version_expiration {
      noncurrent_days = local.buckets[each.key].noncurrent_days
    }
  }

  dynamic "rule" {
    for_each = each.value

    content {
      id     = rule.key
      status = "Enabled"

      filter {
        prefix = rule.value.prefix
      }

      dynamic "transition" {
        for_each = rule.value.transitions

        content {
          storage_class = transition.key
          days          = transition.value
        }
      }

      dynamic "expiration" {
        for_each = rule.value.expiration_days == null ? [] : [rule.value.expiration_days]

        content {
          days = expiration.value
        }
      }
    }
  }
}

resource "aws_s3_bucket_logging" "this" {
  for_each = local.encrypted_buckets

  bucket        = aws_s3_bucket.this[each.key].id
  target_bucket = aws_s3_bucket.this["logs"].id
  target_prefix = "s3/${each.key}/"

  depends_on = [aws_s3_bucket_policy.this]
}

# A file that lands is an event: see triggers.tf.
resource "aws_s3_bucket_notification" "raw" {
  bucket      = aws_s3_bucket.this["raw"].id
  eventbridge = true
}

# Job scripts, the ingest library, the wheels of jobs and Lambda zips, under the names of the build.
resource "aws_s3_object" "artifact" {
  for_each = local.package.files

  bucket      = aws_s3_bucket.this["artifacts"].id
  key         = each.key
  source      = "${var.package_dir}/${each.key}"
  source_hash = each.value.sha256

  depends_on = [aws_s3_bucket_server_side_encryption_configuration.this]
}
