resource "aws_s3_bucket" "lake" {
  bucket        = "types-catalog"
  force_destroy = true
}

resource "aws_iam_role" "glue" {
  name = "types-catalog"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = ["glue.amazonaws.com", "lakeformation.amazonaws.com"] }
    }]
  })
}

resource "aws_kms_key" "glue" {
  deletion_window_in_days = 7
}
