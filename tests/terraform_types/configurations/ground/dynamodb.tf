resource "aws_dynamodb_table" "this" {
  name                        = "types"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "id"
  range_key                   = "at"
  stream_enabled              = true
  stream_view_type            = "NEW_AND_OLD_IMAGES"
  table_class                 = "STANDARD"
  deletion_protection_enabled = false
  tags                        = { step = var.step }
  attribute {
    name = "id"
    type = "S"
  }
  attribute {
    name = "at"
    type = "N"
  }
  attribute {
    name = "kind"
    type = "S"
  }
  global_secondary_index {
    name               = "by_kind"
    hash_key           = "kind"
    projection_type    = "INCLUDE"
    non_key_attributes = ["price"]
  }
  local_secondary_index {
    name            = "by_id_kind"
    range_key       = "kind"
    projection_type = "ALL"
  }
  ttl {
    attribute_name = "expires"
    enabled        = true
  }
  point_in_time_recovery { enabled = var.step == 2 }
  server_side_encryption { enabled = true }
}

resource "aws_dynamodb_table" "provisioned" {
  name           = "types-provisioned"
  billing_mode   = "PROVISIONED"
  read_capacity  = 5 * var.step
  write_capacity = 5
  hash_key       = "id"
  attribute {
    name = "id"
    type = "S"
  }
}

resource "aws_dynamodb_table_item" "this" {
  table_name = aws_dynamodb_table.provisioned.name
  hash_key   = aws_dynamodb_table.provisioned.hash_key
  item       = jsonencode({ id = { S = "one" }, step = { N = tostring(var.step) } })
}

resource "aws_dynamodb_tag" "this" {
  resource_arn = aws_dynamodb_table.other.arn
  key          = "step"
  value        = var.step
}

resource "aws_dynamodb_table" "other" {
  name         = "types-other"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  attribute {
    name = "id"
    type = "S"
  }
  lifecycle { ignore_changes = [tags, tags_all] }
}

resource "aws_dynamodb_contributor_insights" "this" {
  table_name = aws_dynamodb_table.this.name
}

resource "aws_dynamodb_kinesis_streaming_destination" "this" {
  table_name = aws_dynamodb_table.this.name
  stream_arn = aws_kinesis_stream.ground.arn
}

resource "aws_kinesis_stream" "ground" {
  name        = "types-ground"
  shard_count = 1
}

resource "aws_dynamodb_resource_policy" "this" {
  resource_arn = aws_dynamodb_table.this.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Step${var.step}"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::000000000000:root" }
      Action    = "dynamodb:GetItem"
      Resource  = aws_dynamodb_table.this.arn
    }]
  })
}

resource "aws_dynamodb_table_export" "this" {
  table_arn     = aws_dynamodb_table.this.arn
  s3_bucket     = aws_s3_bucket.this.id
  export_format = "DYNAMODB_JSON"
  depends_on    = [aws_dynamodb_table.this]
}
