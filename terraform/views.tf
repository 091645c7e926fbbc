locals {
  # A view has the columns that Athena would find: their names, its own types and the catalog's.
  views = {
    quarantine_by_rule = {
      database = local.operations_database
      about    = null
      columns = [
        { name = "table_id", type = "varchar", catalog_type = "string" },
        { name = "run_id", type = "varchar", catalog_type = "string" },
        { name = "rule", type = "varchar", catalog_type = "string" },
        { name = "rows", type = "bigint", catalog_type = "bigint" },
      ]
    }
    orders_by_month = {
      database = "erp"
      about    = "erp.orders"
      columns = [
        { name = "month", type = "date", catalog_type = "date" },
        { name = "currency", type = "varchar", catalog_type = "string" },
        { name = "orders", type = "bigint", catalog_type = "bigint" },
        { name = "total", type = "decimal(38,2)", catalog_type = "decimal(38,2)" },
      ]
    }
  }
}

# What Athena itself makes of CREATE VIEW: the statement is in the text, as base64 of a JSON object.
resource "aws_glue_catalog_table" "view" {
  for_each = {
    for name, view in local.views : name => view
    if view.about == null || contains(keys(local.job_settings), coalesce(view.about, "-"))
  }

  database_name = aws_glue_catalog_database.this[each.value.database].name
  name          = each.key
  table_type    = "VIRTUAL_VIEW"
  parameters    = { presto_view = "true", comment = "Presto View" }

  view_expanded_text = "/* Presto View */"
  view_original_text = "/* Presto View: ${base64encode(jsonencode({
    originalSql = trimspace(file("${path.module}/views/${each.key}.sql"))
    catalog     = "awsdatacatalog"
    schema      = each.value.database
    columns     = [for column in each.value.columns : { name = column.name, type = column.type }]
  }))} */"

  storage_descriptor {
    dynamic "columns" {
      for_each = each.value.columns

      content {
        name = columns.value.name
        type = columns.value.catalog_type
      }
    }
  }
}
