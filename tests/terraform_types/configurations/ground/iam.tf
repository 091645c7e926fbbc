locals {
  read = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "Step${var.step}", Effect = "Allow", Action = "s3:GetObject", Resource = "*" }]
  })
  assume = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = ["s3.amazonaws.com", "vpc-flow-logs.amazonaws.com", "ec2.amazonaws.com"] } }]
  })
}

resource "aws_iam_role" "this" {
  name                 = "types"
  path                 = "/data/"
  description          = "step ${var.step}"
  assume_role_policy   = local.assume
  max_session_duration = 3600 * var.step
  permissions_boundary = aws_iam_policy.this.arn
  tags                 = { step = var.step }
}

resource "aws_iam_role_policy" "this" {
  name   = "read"
  role   = aws_iam_role.this.name
  policy = local.read
}

resource "aws_iam_role_policies_exclusive" "this" {
  role_name    = aws_iam_role.this.name
  policy_names = [aws_iam_role_policy.this.name]
}

resource "aws_iam_policy" "this" {
  name        = "types"
  path        = "/data/"
  description = "a policy"
  policy      = local.read
  tags        = { step = var.step }
}

resource "aws_iam_role_policy_attachment" "this" {
  role       = aws_iam_role.this.name
  policy_arn = aws_iam_policy.this.arn
}

resource "aws_iam_role_policy_attachment" "managed" {
  role       = aws_iam_role.this.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSGlueServiceRole"
}

resource "aws_iam_role_policy_attachments_exclusive" "this" {
  role_name   = aws_iam_role.this.name
  policy_arns = [aws_iam_role_policy_attachment.this.policy_arn, aws_iam_role_policy_attachment.managed.policy_arn]
}

resource "aws_iam_policy_attachment" "this" {
  name       = "types"
  groups     = [aws_iam_group.member.name]
  policy_arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
}

resource "aws_iam_instance_profile" "this" {
  name = "types"
  role = aws_iam_role.this.name
  tags = { step = var.step }
}

resource "aws_iam_service_linked_role" "this" {
  aws_service_name = "lakeformation.amazonaws.com"
  description      = "step ${var.step}"
}

resource "aws_iam_group" "this" {
  name = "types"
  path = "/step${var.step}/"
}

resource "aws_iam_group_policy" "this" {
  name   = "read"
  group  = aws_iam_group.this.name
  policy = local.read
}

resource "aws_iam_group_policy_attachment" "this" {
  group      = aws_iam_group.this.name
  policy_arn = aws_iam_policy.this.arn
}

resource "aws_iam_group_membership" "this" {
  name  = "types"
  group = aws_iam_group.this.name
  users = [aws_iam_user.this.name]
}

resource "aws_iam_user" "this" {
  name          = "types"
  force_destroy = true
  tags          = { step = var.step }
}

resource "aws_iam_user" "member" {
  name = "types-member"
}

resource "aws_iam_group" "member" {
  name = "types-member"
}

resource "aws_iam_user_group_membership" "this" {
  user   = aws_iam_user.member.name
  groups = [aws_iam_group.member.name]
}

resource "aws_iam_user_policy" "this" {
  name   = "read"
  user   = aws_iam_user.this.name
  policy = local.read
}

resource "aws_iam_user_policy_attachment" "this" {
  user       = aws_iam_user.this.name
  policy_arn = aws_iam_policy.this.arn
}

resource "aws_iam_user_login_profile" "this" {
  user = aws_iam_user.this.name
}

resource "aws_iam_access_key" "this" {
  user   = aws_iam_user.this.name
  status = var.step == 1 ? "Active" : "Inactive"
}

resource "aws_iam_account_alias" "this" {
  account_alias = "types-alias"
}

resource "aws_iam_account_password_policy" "this" {
  minimum_password_length        = 10 + var.step
  allow_users_to_change_password = true
}

resource "aws_iam_openid_connect_provider" "this" {
  url             = "https://token.actions.githubusercontent.com"
  client_id_list  = var.step == 1 ? ["sts.amazonaws.com"] : ["sts.amazonaws.com", "other"]
  thumbprint_list = ["6938fd4d98bab03faadb97b34396831e3780aea1"]
  tags            = { step = var.step }
}
