# What follows from the variables, without an account: the provider is a stand-in, so nothing is called.

mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-west-1d", "eu-west-1c", "eu-west-1b", "eu-west-1a"] }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }
  mock_resource "aws_sfn_state_machine" {
    defaults = { arn = "arn:aws:states:eu-west-1:123456789012:stateMachine:mock" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-west-1:123456789012:mock" }
  }
  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-west-1:123456789012:mock" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-west-1:123456789012:key/mock" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:mock" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::mock" }
  }
  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:mock" }
  }
  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:eu-west-1:123456789012:rule/mock" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mock" }
  }
  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:mock" }
  }
}

variables {
  package_dir  = "./tests/package"
  fixtures_dir = "./tests/fixtures"
  onprem_db    = { host = "db.site.example", port = 5433, name = "erp" }
}

run "everything" {
  variables {
    vpc_cidr        = "10.99.0.0/20"
    onprem_cidrs    = ["10.1.0.0/16", "10.2.0.0/16"]
    schedule        = "rate(6 hours)"
    max_concurrency = 5
  }

  assert {
    condition = { for zone, subnet in aws_subnet.private : zone => subnet.cidr_block } == {
      eu-west-1a = "10.99.0.0/24"
      eu-west-1b = "10.99.1.0/24"
      eu-west-1c = "10.99.2.0/24"
    }
    error_message = "Three subnets, in the first three zones by name."
  }

  assert {
    condition = toset([
      for rule in aws_vpc_security_group_egress_rule.database : "${rule.cidr_ipv4}:${rule.from_port}-${rule.to_port}"
    ]) == toset(["10.1.0.0/16:5433-5433", "10.2.0.0/16:5433-5433"])
    error_message = "Out to the site goes the database's port alone."
  }

  assert {
    condition = alltrue([
      for rule in aws_network_acl_rule.private : rule.from_port == 443 && rule.to_port == 443
      if rule.egress && rule.cidr_block == "0.0.0.0/0"
    ])
    error_message = "Beyond VPC and site, nothing but TLS leaves."
  }

  assert {
    condition     = length(aws_vpn_connection.this) == 0 && length(aws_vpn_connection_route.onprem) == 0 && output.network.vpn_connection == null
    error_message = "Without the address of the site's device there is no VPN."
  }

  assert {
    condition = alltrue([
      for endpoint in aws_vpc_endpoint.interface : length(endpoint.subnet_ids) == 1 && endpoint.private_dns_enabled
    ]) && keys(aws_vpc_endpoint.gateway) == ["dynamodb", "s3"]
    error_message = "Interface endpoints stand in one zone; S3 and DynamoDB have gateway endpoints."
  }

  assert {
    condition     = aws_s3_bucket.this["raw"].bucket == "millpond-dev-raw-123456789012-eu-west-1" && keys(output.buckets) == ["artifacts", "athena-results", "curated", "logs", "raw"]
    error_message = "Five buckets, named by purpose, account and region."
  }

  assert {
    condition = { for purpose, found in aws_s3_bucket_server_side_encryption_configuration.this : purpose => one([for rule in found.rule : rule.apply_server_side_encryption_by_default[0].sse_algorithm]) } == {
      artifacts = "aws:kms", athena-results = "aws:kms", curated = "aws:kms", logs = "AES256", raw = "aws:kms"
    }
    error_message = "Everything but the log bucket is encrypted with the platform's key."
  }

  assert {
    condition     = alltrue([for block in aws_s3_bucket_public_access_block.this : block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets]) && length(aws_s3_bucket_public_access_block.this) == 5
    error_message = "No bucket can be public."
  }

  assert {
    condition     = alltrue([for lifecycle in aws_s3_bucket_lifecycle_configuration.this : lifecycle.rule[0].abort_incomplete_multipart_upload[0].days_after_initiation == 7]) && length(aws_s3_bucket_lifecycle_configuration.this) == 5
    error_message = "Uploads that were broken off are removed everywhere."
  }

  assert {
    condition     = aws_dynamodb_table.this["ingest_runs"].ttl[0].attribute_name == "expires_at" && alltrue([for table in aws_dynamodb_table.this : table.deletion_protection_enabled && table.point_in_time_recovery[0].enabled && table.billing_mode == "PAY_PER_REQUEST"])
    error_message = "Tables are on demand, protected, and can be had back; old runs expire."
  }

  assert {
    condition = jsondecode(aws_dynamodb_table_item.job_settings["erp.orders"].item) == {
      table_id                = { S = "erp.orders" }
      enabled                 = { BOOL = true }
      source_schema           = { S = "erp" }
      source_table            = { S = "orders" }
      target_database         = { S = "erp" }
      target_table            = { S = "orders" }
      key_columns             = { L = [{ S = "order_id" }] }
      engine                  = { S = "auto" }
      load_mode               = { S = "incremental" }
      watermark_column        = { S = "updated_at" }
      watermark_overlap       = { S = "PT10M" }
      change_operation_column = { NULL = true }
      change_sequence_column  = { NULL = true }
      include_columns         = { NULL = true }
      column_actions          = { M = { note = { S = "hash" } } }
      filter                  = { NULL = true }
      quality_rules           = { L = [{ M = { name = { S = "total" }, check = { S = "total >= 0" } } }] }
      quality_max_rejected    = { N = "0.05" }
      schema_policy           = { S = "additive" }
      schedule                = { S = "rate(6 hours)" }
      freshness_minutes       = { N = "720" }
      urgent                  = { BOOL = false }
      split_column            = { NULL = true }
      split_partitions        = { N = "1" }
      fetch_size              = { N = "10000" }
    }
    error_message = "Settings reach DynamoDB with the type of each value."
  }

  assert {
    condition     = aws_cloudwatch_event_rule.schedule.schedule_expression == "rate(6 hours)" && aws_glue_job.ingest["shell"].execution_property[0].max_concurrent_runs == 10
    error_message = "The rule and the jobs have what the parameters say."
  }

  assert {
    condition     = keys(aws_cloudwatch_metric_alarm.table_late) == ["erp.orders"] && aws_cloudwatch_metric_alarm.table_late["erp.orders"].threshold == 720
    error_message = "Tables with a limit, and no others, are watched for being late."
  }

  assert {
    condition     = aws_cloudwatch_composite_alarm.tables_late["tables-late"].alarm_rule == "ALARM(\"millpond-dev-late-erp.orders\")"
    error_message = "One alarm stands for all late tables."
  }

  assert {
    condition     = sort([for name, alarm in aws_cloudwatch_metric_alarm.this : name if alarm.treat_missing_data == "ignore"]) == tolist(["daily-cost", "quarantine-not-empty", "rows-dropped"])
    error_message = "What a run says of itself stays so until the next run."
  }

  assert {
    condition     = aws_glue_job.ingest["spark"].default_arguments["--conf"] == "spark.sql.catalog.glue_catalog=org.apache.iceberg.spark.SparkCatalog --conf spark.sql.catalog.glue_catalog.catalog-impl=org.apache.iceberg.aws.glue.GlueCatalog --conf spark.sql.catalog.glue_catalog.io-impl=org.apache.iceberg.aws.s3.S3FileIO --conf spark.sql.catalog.glue_catalog.warehouse=s3://${output.buckets["curated"]}/ --conf spark.sql.extensions=org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
    error_message = "Spark knows the Glue catalog as an Iceberg catalog."
  }

  assert {
    condition     = aws_glue_job.ingest["shell"].max_capacity == 0.0625 && aws_glue_job.ingest["shell"].default_arguments["--dpu"] == "0.0625" && aws_glue_job.ingest["spark"].default_arguments["--enable-auto-scaling"] == "true"
    error_message = "The shell job takes a sixteenth of a DPU, Spark as many workers as it has work for."
  }

  assert {
    condition     = jsondecode(base64decode(regex("Presto View: (\\S+) ", aws_glue_catalog_table.view["orders_by_month"].view_original_text)[0])).schema == "erp"
    error_message = "A view is what Athena makes of it: base64 of a JSON object."
  }
}

run "leaves_what_operators_turned" {
  variables {
    vpc_cidr        = "10.99.0.0/20"
    onprem_cidrs    = ["10.1.0.0/16", "10.2.0.0/16"]
    schedule        = "rate(1 day)"
    max_concurrency = 7
  }

  assert {
    condition     = aws_ssm_parameter.ingest["schedule"].insecure_value == "rate(6 hours)" && aws_cloudwatch_event_rule.schedule.schedule_expression == "rate(6 hours)"
    error_message = "A deployment leaves the schedule that is in Parameter Store, and the rule follows it."
  }

  assert {
    condition     = aws_ssm_parameter.ingest["max_concurrency"].insecure_value == "5" && aws_glue_job.ingest["shell"].execution_property[0].max_concurrent_runs == 10
    error_message = "A deployment leaves the concurrency that is in Parameter Store."
  }
}

run "vpn" {
  variables {
    customer_gateway_ip = "203.0.113.10"
    onprem_cidrs        = ["10.1.0.0/16", "10.2.0.0/16"]
    interface_endpoints = []
  }

  assert {
    condition     = aws_vpn_connection.this["site"].static_routes_only && aws_customer_gateway.this["site"].ip_address == "203.0.113.10"
    error_message = "The connection goes to the site's device, with static routes."
  }

  assert {
    condition     = keys(aws_vpn_connection_route.onprem) == ["10.1.0.0/16", "10.2.0.0/16"] && length(aws_vpn_gateway_route_propagation.private) == 1
    error_message = "Each range of the site is routed, and the routes reach the subnets."
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) == 0
    error_message = "Interface endpoints are what the variable names."
  }
}

run "refuses_a_vpc_that_is_too_small" {
  command = plan

  variables {
    vpc_cidr = "10.99.0.0/28"
  }

  expect_failures = [var.vpc_cidr]
}

run "refuses_what_is_no_range" {
  command = plan

  variables {
    onprem_cidrs = ["the office"]
  }

  expect_failures = [var.onprem_cidrs]
}

run "refuses_to_archive_too_early" {
  command = plan

  variables {
    raw_cool_after_days = 90
    raw_cold_after_days = 100
  }

  expect_failures = [var.raw_cold_after_days]
}

run "refuses_a_fourth_zone" {
  command = plan

  variables {
    interface_endpoint_zones = 4
  }

  expect_failures = [var.interface_endpoint_zones]
}
