data "aws_iam_policy_document" "bucket" {
  for_each = aws_s3_bucket.this

  statement {
    sid       = "OnlyOverTLS"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value.arn, "${each.value.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  # What says nothing about encryption gets the bucket's own; what says something must say that.
  dynamic "statement" {
    for_each = contains(local.encrypted_buckets, each.key) ? {
      OnlyEncryptedByKMS = { variable = "s3:x-amz-server-side-encryption", value = "aws:kms" }
      OnlyWithOurKey     = { variable = "s3:x-amz-server-side-encryption-aws-kms-key-id", value = aws_kms_key.data.arn }
    } : {}

    content {
      sid       = statement.key
      effect    = "Deny"
      actions   = ["s3:PutObject"]
      resources = ["${each.value.arn}/*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }

      condition {
        test     = "StringNotEquals"
        variable = statement.value.variable
        values   = [statement.value.value]
      }

      condition {
        test     = "Null"
        variable = statement.value.variable
        values   = ["false"]
      }
    }
  }

  dynamic "statement" {
    for_each = each.key == "logs" ? {
      AccessLogs = { service = "logging.s3.amazonaws.com", prefix = "s3", sources = [for name in local.encrypted_buckets : local.bucket_arns[name]] }
      FlowLogs   = { service = "delivery.logs.amazonaws.com", prefix = "vpc", sources = ["${local.arn.logs}:*"] }
    } : {}

    content {
      sid       = statement.key
      actions   = ["s3:PutObject"]
      resources = ["${each.value.arn}/${statement.value.prefix}/*"]

      principals {
        type        = "Service"
        identifiers = [statement.value.service]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account_id]
      }

      condition {
        test     = "ArnLike"
        variable = "aws:SourceArn"
        values   = statement.value.sources
      }
    }
  }

  dynamic "statement" {
    for_each = each.key == "logs" ? ["FindTheLogBucket"] : []

    content {
      sid       = statement.value
      actions   = ["s3:GetBucketAcl"]
      resources = [each.value.arn]

      principals {
        type        = "Service"
        identifiers = ["delivery.logs.amazonaws.com"]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account_id]
      }
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id
  policy = data.aws_iam_policy_document.bucket[each.key].json

  depends_on = [aws_s3_bucket_public_access_block.this]
}
