resource "aws_glue_catalog_database" "this" {
  name         = "types_lake"
  description  = "step ${var.step}"
  location_uri = "s3://${aws_s3_bucket.lake.bucket}/lake"
  parameters   = { classification = "parquet" }
  tags         = { step = var.step }

  create_table_default_permission {
    permissions = ["SELECT"]
    principal { data_lake_principal_identifier = "IAM_ALLOWED_PRINCIPALS" }
  }
}

resource "aws_glue_catalog_table" "this" {
  name          = "orders"
  database_name = aws_glue_catalog_database.this.name
  description   = "step ${var.step}"
  table_type    = "EXTERNAL_TABLE"
  owner         = "data"
  retention     = 3

  parameters = { classification = "parquet", EXTERNAL = "TRUE", step = var.step }

  partition_keys {
    name    = "day"
    type    = "string"
    comment = "the day"
  }

  storage_descriptor {
    location                  = "s3://${aws_s3_bucket.lake.bucket}/lake/orders/"
    input_format              = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format             = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
    bucket_columns            = ["id"]
    number_of_buckets         = 4
    stored_as_sub_directories = false
    ser_de_info {
      name                  = "serde"
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
      parameters            = { "serialization.format" = 1 }
    }
    sort_columns {
      column     = "id"
      sort_order = 1
    }
    columns {
      name    = "id"
      type    = "bigint"
      comment = "the key"
    }
    columns {
      name = "price"
      type = "decimal(12,2)"
    }
  }
}

resource "aws_glue_catalog_table" "iceberg" {
  name          = "events"
  database_name = aws_glue_catalog_database.this.name
  table_type    = "EXTERNAL_TABLE"
  open_table_format_input {
    iceberg_input {
      metadata_operation = "CREATE"
      version            = 2
    }
  }
  storage_descriptor {
    location = "s3://${aws_s3_bucket.lake.bucket}/lake/events"
    columns {
      name = "id"
      type = "int"
    }
  }
}

resource "aws_glue_catalog_table_optimizer" "this" {
  catalog_id    = aws_glue_catalog_table.iceberg.catalog_id
  database_name = aws_glue_catalog_database.this.name
  table_name    = aws_glue_catalog_table.iceberg.name
  type          = "compaction"
  configuration {
    role_arn = aws_iam_role.glue.arn
    enabled  = var.step == 1
  }
}

resource "aws_glue_classifier" "csv" {
  name = "types-csv"
  csv_classifier {
    allow_single_column    = false
    contains_header        = "PRESENT"
    delimiter              = var.step == 1 ? "," : ";"
    disable_value_trimming = false
    header                 = ["a", "b"]
    quote_symbol           = "'"
  }
}

resource "aws_glue_classifier" "json" {
  name = "types-json"
  json_classifier { json_path = "$.step${var.step}[*]" }
}

resource "aws_glue_classifier" "grok" {
  name = "types-grok"
  grok_classifier {
    classification = "step${var.step}"
    grok_pattern   = "%%{WORD:name}"
  }
}

resource "aws_glue_connection" "this" {
  name            = "types-jdbc"
  description     = "step ${var.step}"
  connection_type = "JDBC"
  connection_properties = {
    JDBC_CONNECTION_URL = "jdbc:postgresql://db:5432/erp"
    USERNAME            = "etl"
    PASSWORD            = "step${var.step}"
  }
  match_criteria = ["one"]
  tags           = { step = var.step }
}

resource "aws_glue_connection" "network" {
  name            = "types-network"
  connection_type = "NETWORK"
  physical_connection_requirements {
    availability_zone      = "eu-west-1a"
    security_group_id_list = ["sg-12345678"]
    subnet_id              = "subnet-12345678"
  }
}

resource "aws_glue_crawler" "this" {
  name          = "types"
  description   = "step ${var.step}"
  database_name = aws_glue_catalog_database.this.name
  role          = aws_iam_role.glue.arn
  schedule      = "cron(${var.step} 1 * * ? *)"
  classifiers   = [aws_glue_classifier.csv.name]
  table_prefix  = "raw_"
  tags          = { step = var.step }
  configuration = jsonencode({
    Version       = 1.0
    CrawlerOutput = { Partitions = { AddOrUpdateBehavior = "InheritFromTable" } }
  })

  s3_target {
    path       = "s3://${aws_s3_bucket.lake.bucket}/raw"
    exclusions = ["**.tmp"]
  }
  schema_change_policy {
    delete_behavior = "LOG"
    update_behavior = "UPDATE_IN_DATABASE"
  }
  recrawl_policy { recrawl_behavior = "CRAWL_EVERYTHING" }
  lineage_configuration { crawler_lineage_settings = "DISABLE" }
}

resource "aws_glue_crawler" "jdbc" {
  name          = "types-jdbc"
  database_name = aws_glue_catalog_database.this.name
  role          = aws_iam_role.glue.name
  jdbc_target {
    connection_name = aws_glue_connection.this.name
    path            = "erp/%"
    exclusions      = ["erp/tmp"]
  }
  lake_formation_configuration { use_lake_formation_credentials = false }
}

resource "aws_glue_data_catalog_encryption_settings" "this" {
  data_catalog_encryption_settings {
    connection_password_encryption {
      aws_kms_key_id                       = aws_kms_key.glue.arn
      return_connection_password_encrypted = var.step == 2
    }
    encryption_at_rest { catalog_encryption_mode = "DISABLED" }
  }
}

resource "aws_glue_data_quality_ruleset" "this" {
  name        = "types"
  description = "step ${var.step}"
  ruleset     = "Rules = [ RowCount > ${var.step} ]"
  tags        = { step = var.step }
  target_table {
    database_name = aws_glue_catalog_database.this.name
    table_name    = aws_glue_catalog_table.this.name
  }
}

resource "aws_glue_dev_endpoint" "this" {
  name     = "types"
  role_arn = aws_iam_role.glue.arn
  tags     = { step = var.step }
}

resource "aws_glue_job" "this" {
  name              = "types"
  description       = "step ${var.step}"
  role_arn          = aws_iam_role.glue.arn
  glue_version      = "5.0"
  worker_type       = "G.1X"
  number_of_workers = 1 + var.step
  timeout           = 60
  max_retries       = 1
  execution_class   = "FLEX"
  connections       = [aws_glue_connection.this.name]
  maintenance_window = "Sun:10"
  security_configuration = aws_glue_security_configuration.this.name
  default_arguments = { "--job-language" = "python", "--step" = var.step }
  non_overridable_arguments = { "--fixed" = "yes" }
  tags              = { step = var.step }
  command {
    script_location = "s3://${aws_s3_bucket.lake.bucket}/job.py"
    python_version  = "3"
  }
  execution_property { max_concurrent_runs = 3 }
  notification_property { notify_delay_after = 5 }
}

resource "aws_glue_job" "shell" {
  name         = "types-shell"
  role_arn     = aws_iam_role.glue.arn
  max_capacity = 0.0625
  command {
    name            = "pythonshell"
    script_location = "s3://${aws_s3_bucket.lake.bucket}/job.py"
    python_version  = "3.9"
  }
}

resource "aws_glue_job" "streaming" {
  name              = "types-streaming"
  role_arn          = aws_iam_role.glue.arn
  glue_version      = "4.0"
  worker_type       = "G.025X"
  number_of_workers = 2
  command {
    name            = "gluestreaming"
    script_location = "s3://${aws_s3_bucket.lake.bucket}/job.py"
  }
}

resource "aws_glue_ml_transform" "this" {
  name         = "types"
  role_arn     = aws_iam_role.glue.arn
  description  = "step ${var.step}"
  glue_version = "3.0"
  tags         = { step = var.step }
  input_record_tables {
    database_name = aws_glue_catalog_database.this.name
    table_name    = aws_glue_catalog_table.this.name
  }
  parameters {
    transform_type = "FIND_MATCHES"
    find_matches_parameters { primary_key_column_name = "id" }
  }
}

resource "aws_glue_partition" "this" {
  database_name    = aws_glue_catalog_database.this.name
  table_name       = aws_glue_catalog_table.this.name
  partition_values = ["2026-01-01"]
  parameters       = { step = var.step }
  storage_descriptor {
    location      = "s3://${aws_s3_bucket.lake.bucket}/lake/orders/day=2026-01-01/"
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
    ser_de_info { serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe" }
    columns {
      name = "id"
      type = "bigint"
    }
  }
}

resource "aws_glue_partition_index" "this" {
  database_name = aws_glue_catalog_database.this.name
  table_name    = aws_glue_catalog_table.this.name
  partition_index {
    index_name = "by_day"
    keys       = ["day"]
  }
}

resource "aws_glue_registry" "this" {
  registry_name = "types"
  description   = "step ${var.step}"
  tags          = { step = var.step }
}

resource "aws_glue_resource_policy" "this" {
  enable_hybrid = "TRUE"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::000000000000:root" }
      Action    = var.step == 1 ? "glue:GetTable" : "glue:GetTables"
      Resource  = "arn:aws:glue:eu-west-1:000000000000:*"
    }]
  })
}

resource "aws_glue_schema" "this" {
  schema_name       = "orders"
  registry_arn      = aws_glue_registry.this.arn
  data_format       = "AVRO"
  compatibility     = "BACKWARD"
  description       = "step ${var.step}"
  tags              = { step = var.step }
  schema_definition = jsonencode({ type = "record", name = "r", fields = [{ name = "a", type = "int" }] })
}

resource "aws_glue_security_configuration" "this" {
  name = "types"
  encryption_configuration {
    cloudwatch_encryption { cloudwatch_encryption_mode = "DISABLED" }
    job_bookmarks_encryption { job_bookmarks_encryption_mode = "DISABLED" }
    s3_encryption {
      kms_key_arn        = aws_kms_key.glue.arn
      s3_encryption_mode = "SSE-KMS"
    }
  }
}

resource "aws_glue_trigger" "scheduled" {
  name        = "types-scheduled"
  description = "step ${var.step}"
  type        = "SCHEDULED"
  schedule    = "cron(0 ${var.step} * * ? *)"
  enabled     = false
  tags        = { step = var.step }
  actions {
    job_name  = aws_glue_job.this.name
    arguments = { "--a" = "b" }
    timeout   = 5
  }
}

resource "aws_glue_trigger" "conditional" {
  name          = "types-conditional"
  type          = "CONDITIONAL"
  workflow_name = aws_glue_workflow.this.name
  actions { crawler_name = aws_glue_crawler.this.name }
  predicate {
    logical = "AND"
    conditions {
      job_name = aws_glue_job.shell.name
      state    = "SUCCEEDED"
    }
  }
}

resource "aws_glue_trigger" "demand" {
  name          = "types-demand"
  type          = "ON_DEMAND"
  workflow_name = aws_glue_workflow.this.name
  actions { job_name = aws_glue_job.shell.name }
}

resource "aws_glue_user_defined_function" "this" {
  name          = "mask"
  catalog_id    = aws_glue_catalog_database.this.catalog_id
  database_name = aws_glue_catalog_database.this.name
  class_name    = "org.example.Mask${var.step}"
  owner_name    = "data"
  owner_type    = "GROUP"
  resource_uris {
    resource_type = "ARCHIVE"
    uri           = "s3://${aws_s3_bucket.lake.bucket}/udf.jar"
  }
}

resource "aws_glue_workflow" "this" {
  name                   = "types"
  description            = "step ${var.step}"
  max_concurrent_runs    = var.step
  default_run_properties = { a = "b" }
  tags                   = { step = var.step }
}
