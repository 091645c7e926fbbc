resource "aws_kms_key" "this" {
  description             = "step ${var.step}"
  deletion_window_in_days = 7
  enable_key_rotation     = true
  rotation_period_in_days = 90 * var.step
  tags                    = { step = var.step }
}

resource "aws_kms_key_policy" "this" {
  key_id = aws_kms_key.this.key_id
  policy = jsonencode({
    Version = "2012-10-17"
    Id      = "step${var.step}"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::000000000000:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}

resource "aws_kms_alias" "this" {
  name          = "alias/types"
  target_key_id = aws_kms_key.this.key_id
}

resource "aws_kms_grant" "this" {
  name              = "types"
  key_id            = aws_kms_key.this.key_id
  grantee_principal = aws_iam_role.this.arn
  operations        = ["Decrypt", "GenerateDataKey"]
}

resource "aws_ssm_parameter" "this" {
  name            = "/types/a"
  description     = "step ${var.step}"
  type            = "String"
  value           = "step ${var.step}"
  allowed_pattern = ".*"
  tags            = { step = var.step }
}

resource "aws_ssm_parameter" "secure" {
  name   = "/types/secure"
  type   = "SecureString"
  value  = "step ${var.step}"
  key_id = aws_kms_key.this.key_id
  tier   = "Standard"
}

resource "aws_ssm_parameter" "list" {
  name  = "/types/list"
  type  = "StringList"
  value = "a,b,${var.step}"
}

resource "aws_ssm_document" "this" {
  name            = "types"
  document_type   = "Command"
  document_format = "YAML"
  tags            = { step = var.step }
  content         = <<-YAML
    schemaVersion: "2.2"
    description: step ${var.step}
    mainSteps:
      - action: aws:runShellScript
        name: one
        inputs:
          runCommand: ["true"]
  YAML
}

resource "aws_secretsmanager_secret" "this" {
  name                    = "types"
  description             = "step ${var.step}"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = 0
  tags                    = { step = var.step }
}

resource "aws_secretsmanager_secret_version" "this" {
  secret_id     = aws_secretsmanager_secret.this.id
  secret_string = jsonencode({ username = "etl", password = "step${var.step}" })
}

resource "aws_secretsmanager_secret_policy" "this" {
  secret_arn = aws_secretsmanager_secret.this.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Step${var.step}"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::000000000000:root" }
      Action    = "secretsmanager:GetSecretValue"
      Resource  = "*"
    }]
  })
}

resource "aws_secretsmanager_secret_rotation" "this" {
  secret_id           = aws_secretsmanager_secret_version.this.secret_id
  rotation_lambda_arn = aws_lambda_function.rotate.arn
  rotate_immediately  = false
  rotation_rules {
    duration            = "3h"
    schedule_expression = "rate(${var.step + 9} days)"
  }
}

resource "aws_lambda_function" "rotate" {
  function_name = "types-rotate"
  role          = aws_iam_role.this.arn
  runtime       = "python3.13"
  handler       = "app.handler"
  filename      = "function.zip"
}

resource "aws_lambda_permission" "rotate" {
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.rotate.function_name
  principal     = "secretsmanager.amazonaws.com"
}
