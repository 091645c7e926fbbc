locals {
  trust = { for name in ["lambda", "states", "events", "scheduler", "pipes", "firehose", "codebuild", "logs"] : name => jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "${name}.amazonaws.com" } }]
  }) }
}

resource "aws_iam_role" "for" {
  for_each           = local.trust
  name               = "types-${each.key}"
  assume_role_policy = each.value
}

resource "aws_s3_bucket" "work" {
  bucket        = "types-work"
  force_destroy = true
}

resource "aws_kms_key" "work" {
  deletion_window_in_days = 7
}
