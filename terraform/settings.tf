locals {
  # ttl: attribute with the second from which on an item may be removed.
  dynamodb_tables = {
    job_settings     = { hash_key = "table_id", range_key = null, range_type = null, ttl = null }
    table_structures = { hash_key = "table_id", range_key = "version", range_type = "N", ttl = null }
    ingest_runs      = { hash_key = "table_id", range_key = "run_id", range_type = "S", ttl = "expires_at" }
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

  dynamic "ttl" {
    for_each = each.value.ttl == null ? [] : [each.value.ttl]

    content {
      attribute_name = ttl.value
      enabled        = true
    }
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.data.arn
  }

  point_in_time_recovery {
    enabled = true
  }
}

# The fixtures are plain JSON; DynamoDB wants the type of each value said, and JSON's first character says it.
# A null keeps its place as NULL. Lists hold texts or rules, maps hold texts.
resource "aws_dynamodb_table_item" "job_settings" {
  for_each = local.job_settings

  table_name = aws_dynamodb_table.this["job_settings"].name
  hash_key   = aws_dynamodb_table.this["job_settings"].hash_key

  item = jsonencode({
    for name, value in each.value : name => {
      for type, encoded in {
        NULL = value == null ? true : null
        BOOL = can(regex("^[tf]", jsonencode(value))) ? value : null
        N    = can(regex("^[-0-9]", jsonencode(value))) ? tostring(value) : null
        S    = startswith(jsonencode(value), "\"") ? value : null
        M    = startswith(jsonencode(value), "{") ? { for key, text in value : key => { S = text } } : null
        L = !startswith(jsonencode(value), "[") ? null : [
          for one in value : {
            for type, encoded in {
              S = startswith(jsonencode(one), "\"") ? one : null
              M = startswith(jsonencode(one), "{") ? { for key, text in one : key => { S = text } } : null
            } : type => encoded if encoded != null
          }
        ]
      } : type => encoded if encoded != null
    }
  })

  lifecycle {
    precondition {
      condition     = try(each.value.table_id, each.key) == each.key
      error_message = "job_settings/${each.key}.json is about the table ${try(each.value.table_id, "")}: name the file after its table_id."
    }
    precondition {
      condition     = length(local.settings_problems[each.key]) == 0
      error_message = "job_settings/${each.key}.json: ${join("; ", local.settings_problems[each.key])}."
    }
    precondition {
      condition     = contains(keys(local.table_structures), each.key)
      error_message = "job_settings/${each.key}.json has no table_structures/${each.key}.json beside it."
    }
  }
}

# The first version of each; later ones are written as the source changes, and are not Terraform's.
resource "aws_dynamodb_table_item" "table_structures" {
  for_each = local.table_structures

  table_name = aws_dynamodb_table.this["table_structures"].name
  hash_key   = aws_dynamodb_table.this["table_structures"].hash_key
  range_key  = aws_dynamodb_table.this["table_structures"].range_key

  item = jsonencode(merge(
    {
      table_id = { S = each.value.table_id }
      version  = { N = tostring(each.value.version) }
    },
    {
      for name in ["columns", "partitions"] : name => {
        L = [
          for one in each.value[name] : {
            M = {
              for key, value in one : key => {
                for type, encoded in {
                  NULL = value == null ? true : null
                  BOOL = can(regex("^[tf]", jsonencode(value))) ? value : null
                  N    = can(regex("^[-0-9]", jsonencode(value))) ? tostring(value) : null
                  S    = startswith(jsonencode(value), "\"") ? value : null
                } : type => encoded if encoded != null
              }
            }
          }
        ]
      }
    },
  ))

  lifecycle {
    precondition {
      condition     = each.value.table_id == each.key
      error_message = "table_structures/${each.key}.json is about the table ${each.value.table_id}: name the file after its table_id."
    }
  }
}
