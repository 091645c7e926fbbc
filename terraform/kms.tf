# One key for all that is stored: 1 USD a month, and bucket keys keep the requests to it few.
resource "aws_kms_key" "data" {
  description             = "What ${local.prefix} stores: buckets, tables, secrets, topics, queues and logs."
  enable_key_rotation     = true
  deletion_window_in_days = var.is_protected ? 30 : 7
  policy                  = data.aws_iam_policy_document.data_key.json
}

resource "aws_kms_alias" "data" {
  name          = "alias/${local.prefix}-data"
  target_key_id = aws_kms_key.data.key_id
}

# In the policy of a key, "*" is that key.
data "aws_iam_policy_document" "data_key" {
  #checkov:skip=CKV_AWS_109:The account itself manages its key, through the policies of its roles.
  #checkov:skip=CKV_AWS_111:In the policy of a key, the resource "*" is that key.
  #checkov:skip=CKV_AWS_356:In the policy of a key, the resource "*" is that key.
  statement {
    sid = "PoliciesOfTheAccountDecide"
    actions = [
      "kms:CancelKeyDeletion",
      "kms:Create*",
      "kms:Decrypt",
      "kms:DeleteAlias",
      "kms:Describe*",
      "kms:Disable*",
      "kms:Enable*",
      "kms:Encrypt",
      "kms:GenerateDataKey*",
      "kms:Get*",
      "kms:List*",
      "kms:Put*",
      "kms:ReEncrypt*",
      "kms:RetireGrant",
      "kms:Revoke*",
      "kms:RotateKeyOnDemand",
      "kms:ScheduleKeyDeletion",
      "kms:TagResource",
      "kms:UntagResource",
      "kms:Update*",
    ]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account_id}:root"]
    }
  }

  statement {
    sid       = "LogGroups"
    actions   = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${var.region}.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["${local.arn.logs}:log-group:*${local.prefix}*"]
    }
  }

  # Alarms that write to the encrypted topic.
  statement {
    sid       = "Alarms"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }

  # Rules that write to the encrypted topic and the queue. EventBridge does not say for whom it asks for a key: with
  # aws:SourceAccount or aws:SourceArn nothing is delivered ("Encrypting Amazon SNS topics", SNS Developer Guide).
  statement {
    sid       = "Rules"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
  }
}
