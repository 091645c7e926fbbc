terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "eu-west-1"
}

variable "stage" {
  type    = string
  default = "dev"
}

locals {
  name = "weather-${var.stage}"
}

resource "aws_s3_bucket" "lake" {
  bucket        = "${local.name}-lake"
  force_destroy = true
}

resource "aws_s3_object" "clean" {
  bucket = aws_s3_bucket.lake.id
  key    = "jobs/clean.py"
  source = "${path.module}/jobs/clean.py"
  etag   = filemd5("${path.module}/jobs/clean.py")
}

resource "aws_iam_role" "glue" {
  name = "${local.name}-glue"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "glue.amazonaws.com" } }
    ]
  })
}

resource "aws_iam_role_policy" "lake" {
  role = aws_iam_role.glue.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:ListBucket"]
        Resource = [aws_s3_bucket.lake.arn, "${aws_s3_bucket.lake.arn}/*"]
      }
    ]
  })
}

resource "aws_glue_job" "clean" {
  name         = "${local.name}-clean"
  role_arn     = aws_iam_role.glue.arn
  max_capacity = 0.0625

  command {
    name            = "pythonshell"
    python_version  = "3.9"
    script_location = "s3://${aws_s3_object.clean.bucket}/${aws_s3_object.clean.key}"
  }

  default_arguments = {
    "--bucket" = aws_s3_bucket.lake.id
  }
}

resource "aws_glue_catalog_database" "weather" {
  name = replace(local.name, "-", "_")
}

resource "aws_glue_catalog_table" "days" {
  database_name = aws_glue_catalog_database.weather.name
  name          = "days"
  table_type    = "EXTERNAL_TABLE"
  parameters    = { classification = "csv" }

  partition_keys {
    name = "station"
    type = "string"
  }

  storage_descriptor {
    location      = "s3://${aws_s3_bucket.lake.id}/clean/"
    input_format  = "org.apache.hadoop.mapred.TextInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
      parameters            = { "field.delim" = "," }
    }

    columns {
      name = "day"
      type = "date"
    }
    columns {
      name = "celsius"
      type = "double"
    }
  }
}

resource "aws_athena_workgroup" "weather" {
  name          = local.name
  force_destroy = true

  configuration {
    result_configuration {
      output_location = "s3://${aws_s3_bucket.lake.id}/athena/"
    }
  }
}
