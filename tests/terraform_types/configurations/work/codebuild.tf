resource "aws_codebuild_project" "this" {
  name                   = "types"
  description            = "step ${var.step}"
  service_role           = aws_iam_role.for["codebuild"].arn
  build_timeout          = 10 * var.step
  queued_timeout         = 60
  concurrent_build_limit = 1
  tags                   = { step = var.step }
  artifacts { type = "NO_ARTIFACTS" }
  cache {
    type     = "S3"
    location = "${aws_s3_bucket.work.bucket}/cache"
  }
  environment {
    compute_type    = "BUILD_GENERAL1_SMALL"
    image           = "aws/codebuild/amazonlinux2-x86_64-standard:5.0"
    type            = "LINUX_CONTAINER"
    privileged_mode = true
    environment_variable {
      name  = "STEP"
      value = var.step
    }
  }
  logs_config {
    cloudwatch_logs {
      group_name  = "builds"
      stream_name = "types"
    }
    s3_logs { status = "DISABLED" }
  }
  source {
    type            = "GITHUB"
    location        = "https://github.com/example/types.git"
    git_clone_depth = 1
    buildspec       = "buildspec.yml"
  }
  source_version = "main"
}

resource "aws_codebuild_report_group" "this" {
  name           = "types"
  type           = "TEST"
  delete_reports = true
  tags           = { step = var.step }
  export_config {
    type = "S3"
    s3_destination {
      bucket              = aws_s3_bucket.work.bucket
      packaging           = "NONE"
      path                = "/step${var.step}"
      encryption_disabled = true
      encryption_key      = aws_kms_key.work.arn
    }
  }
}

resource "aws_codebuild_resource_policy" "this" {
  resource_arn = aws_codebuild_report_group.this.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Id      = "default"
    Statement = [{
      Sid       = "default"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::000000000000:root" }
      Action    = ["codebuild:BatchGetReportGroups", "codebuild:ListReportsForReportGroup"]
      Resource  = aws_codebuild_report_group.this.arn
    }]
  })
}

resource "aws_codebuild_source_credential" "this" {
  auth_type   = "PERSONAL_ACCESS_TOKEN"
  server_type = "GITHUB"
  token       = "example"
}

resource "aws_codebuild_webhook" "this" {
  project_name = aws_codebuild_project.this.name
  build_type   = "BUILD"
  filter_group {
    filter {
      type    = "EVENT"
      pattern = var.step == 1 ? "PUSH" : "PULL_REQUEST_MERGED"
    }
  }
}
