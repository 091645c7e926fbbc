locals {
  dynamodb_tables = {
    job_settings     = { hash_key = "table_id", range_key = null, range_type = null }
    table_structures = { hash_key = "table_id", range_key = "version", range_type = "N" }
    ingest_runs      = { hash_key = "table_id", range_key = "run_id", range_type = "S" }
  }
}

resource "aws_dynamodb_table" "this" {
  for_each = local.dynamodb_tables

  name                        = "${local.prefix}-${each.key}"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = each.value.hash_key
  range_key                   = each.value.range_key
  deletion_protection_enabled = var.is_protected

  attribute {
    name = each.value.hash_key
    type = "S"
  }

  dynamic "attribute" {
    for_each = each.value.range_key == null ? [] : [each.value]

    content {
      name = attribute.value.range_key
      type = attribute.value.range_type
    }
  }

  point_in_time_recovery {
    enabled = true
  }
}

# The fixtures are plain JSON; DynamoDB wants the type of each value said. A null keeps its place as NULL.
resource "aws_dynamodb_table_item" "job_settings" {
  for_each = local.job_settings

  table_name = aws_dynamodb_table.this["job_settings"].name
  hash_key   = aws_dynamodb_table.this["job_settings"].hash_key

  item = jsonencode({
    table_id         = { S = each.value.table_id }
    enabled          = { BOOL = each.value.enabled }
    source_schema    = { S = each.value.source_schema }
    source_table     = { S = each.value.source_table }
    target_database  = { S = each.value.target_database }
    target_table     = { S = each.value.target_table }
    engine           = { S = each.value.engine }
    load_mode        = { S = each.value.load_mode }
    watermark_column = { for type, value in { S = each.value.watermark_column, NULL = each.value.watermark_column == null ? true : null } : type => value if value != null }
    key_columns      = { L = [for name in each.value.key_columns : { S = name }] }
    split_column     = { for type, value in { S = each.value.split_column, NULL = each.value.split_column == null ? true : null } : type => value if value != null }
    split_partitions = { N = tostring(each.value.split_partitions) }
    fetch_size       = { N = tostring(each.value.fetch_size) }
  })

  lifecycle {
    precondition {
      condition     = each.value.table_id == each.key
      error_message = "job_settings/${each.key}.json is about the table ${each.value.table_id}: name the file after its table_id."
    }
    precondition {
      condition     = contains(["auto", "shell", "spark"], each.value.engine)
      error_message = "job_settings/${each.key}.json: engine is auto, shell or spark."
    }
    precondition {
      condition     = contains(["full", "incremental"], each.value.load_mode)
      error_message = "job_settings/${each.key}.json: load_mode is full or incremental."
    }
    precondition {
      condition     = each.value.load_mode != "incremental" || each.value.watermark_column != null
      error_message = "job_settings/${each.key}.json: an incremental load needs a watermark_column."
    }
    precondition {
      condition     = contains(keys(local.table_structures), each.key)
      error_message = "job_settings/${each.key}.json has no table_structures/${each.key}.json beside it."
    }
  }
}

resource "aws_dynamodb_table_item" "table_structures" {
  for_each = local.table_structures

  table_name = aws_dynamodb_table.this["table_structures"].name
  hash_key   = aws_dynamodb_table.this["table_structures"].hash_key
  range_key  = aws_dynamodb_table.this["table_structures"].range_key

  item = jsonencode({
    table_id = { S = each.value.table_id }
    version  = { N = tostring(each.value.version) }
    columns = { L = [
      for column in each.value.columns : { M = {
        name        = { S = column.name }
        source_name = { S = column.source_name }
        source_type = { S = column.source_type }
        type        = { S = column.type }
        nullable    = { BOOL = column.nullable }
      } }
    ] }
    partitions = { L = [
      for partition in each.value.partitions : { M = {
        name        = { S = partition.name }
        type        = { S = partition.type }
        source_name = { S = partition.source_name }
        transform   = { S = partition.transform }
      } }
    ] }
  })

  lifecycle {
    precondition {
      condition     = each.value.table_id == each.key
      error_message = "table_structures/${each.key}.json is about the table ${each.value.table_id}: name the file after its table_id."
    }
  }
}
