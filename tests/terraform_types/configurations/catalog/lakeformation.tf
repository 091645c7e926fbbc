resource "aws_lakeformation_data_lake_settings" "this" {
  admins                                = [aws_iam_role.glue.arn]
  allow_external_data_filtering         = var.step == 2
  trusted_resource_owners               = ["000000000000"]
}

resource "aws_lakeformation_resource" "this" {
  arn      = aws_s3_bucket.lake.arn
  role_arn = aws_iam_role.glue.arn
}

resource "aws_lakeformation_lf_tag" "this" {
  key    = "domain"
  values = var.step == 1 ? ["sales"] : ["sales", "finance"]
}

resource "aws_lakeformation_permissions" "database" {
  principal   = aws_iam_role.glue.arn
  permissions = ["CREATE_TABLE", "DESCRIBE"]
  database { name = aws_glue_catalog_database.this.name }
}

resource "aws_lakeformation_permissions" "location" {
  principal   = aws_iam_role.glue.arn
  permissions = ["DATA_LOCATION_ACCESS"]
  data_location { arn = aws_lakeformation_resource.this.arn }
}

resource "aws_lakeformation_permissions" "table" {
  principal   = aws_iam_role.glue.arn
  permissions = ["SELECT"]
  table {
    database_name = aws_glue_catalog_database.this.name
    name          = aws_glue_catalog_table.this.name
  }
}

resource "aws_lakeformation_permissions" "columns" {
  principal   = aws_iam_role.glue.arn
  permissions = ["SELECT"]
  table_with_columns {
    database_name = aws_glue_catalog_database.this.name
    name          = aws_glue_catalog_table.iceberg.name
    column_names  = ["id"]
  }
}

resource "aws_lakeformation_resource_lf_tag" "this" {
  database { name = aws_glue_catalog_database.this.name }
  lf_tag {
    key   = aws_lakeformation_lf_tag.this.key
    value = "sales"
  }
}

resource "aws_lakeformation_resource_lf_tags" "this" {
  table {
    database_name = aws_glue_catalog_database.this.name
    name          = aws_glue_catalog_table.this.name
  }
  lf_tag {
    key   = aws_lakeformation_lf_tag.this.key
    value = "sales"
  }
}

resource "aws_lakeformation_data_cells_filter" "this" {
  table_data {
    database_name    = aws_glue_catalog_database.this.name
    name             = "rows"
    table_catalog_id = "000000000000"
    table_name       = aws_glue_catalog_table.this.name
    column_names     = ["id"]
    row_filter { filter_expression = "id > ${var.step}" }
  }
}

resource "aws_lakeformation_opt_in" "this" {
  principal { data_lake_principal_identifier = aws_iam_role.glue.arn }
  resource_data {
    database { name = aws_glue_catalog_database.this.name }
  }
}
