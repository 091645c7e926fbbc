output "buckets" {
  description = "Name of each bucket by its purpose: raw, curated, artifacts, athena-results, logs."
  value       = { for purpose, bucket in aws_s3_bucket.this : purpose => bucket.id }
}

output "dynamodb_tables" {
  description = "Name of each table: job_settings, table_structures, ingest_runs."
  value       = { for purpose, table in aws_dynamodb_table.this : purpose => table.name }
}

output "secret_name" {
  description = "Secret that whoever owns the on-premises database fills."
  value       = aws_secretsmanager_secret.onprem_db.name
}

output "masking_secret_name" {
  description = "Secret with the key that masks personal data: a JSON object whose \"key\" is 64 hexadecimal digits."
  value       = aws_secretsmanager_secret.masking_key.name
}

output "parameters" {
  description = "Parameter Store name of each setting that an operator turns."
  value       = { for name, parameter in aws_ssm_parameter.ingest : name => parameter.name }
}

output "glue_databases" {
  description = "Databases of the catalog: one for each source schema, and that of the ingest itself."
  value       = sort([for database in aws_glue_catalog_database.this : database.name])
}

output "glue_connection" {
  description = "Connection to the on-premises database."
  value       = aws_glue_connection.onprem.name
}

output "glue_jobs" {
  description = "Name of each ingest job by its engine: spark, shell."
  value       = { for engine, job in aws_glue_job.ingest : engine => job.name }
}

output "functions" {
  description = "Name of each Lambda by what it does: plan, register, notify, reschedule, rotate."
  value       = { for name, function in aws_lambda_function.this : name => function.function_name }
}

output "athena_workgroup" {
  description = "Workgroup to query the lake in."
  value       = aws_athena_workgroup.this.name
}

output "state_machine_arn" {
  description = "State machine that ingests."
  value       = aws_sfn_state_machine.ingest.arn
}

output "topic_arn" {
  description = "Topic that says how each run went."
  value       = aws_sns_topic.this["ingest-events"].arn
}

output "schedule_rule" {
  description = "EventBridge rule that starts a run by the clock."
  value       = aws_cloudwatch_event_rule.schedule.name
}

output "operators_topic_arn" {
  description = "Topic of alarms, failures and approvals."
  value       = aws_sns_topic.this["operators"].arn
}

output "rules" {
  description = "EventBridge rule of each trigger: schedule, schedule-turned, file-dropped, job-failed."
  value = {
    schedule        = aws_cloudwatch_event_rule.schedule.name
    schedule-turned = aws_cloudwatch_event_rule.schedule_turned.name
    file-dropped    = aws_cloudwatch_event_rule.file_dropped.name
    job-failed      = aws_cloudwatch_event_rule.job_failed.name
  }
}

output "events_dlq_url" {
  description = "Queue of the events that could not be delivered."
  value       = aws_sqs_queue.events_dlq.url
}

output "dashboard" {
  description = "Dashboard in CloudWatch."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "data_key_arn" {
  description = "Key with which everything is encrypted."
  value       = aws_kms_key.data.arn
}

output "network" {
  description = "The VPC, its private subnets by zone, its security groups by purpose, and the VPN connection to the site, if there is one."
  value = {
    vpc_id          = aws_vpc.this.id
    subnets         = { for zone, subnet in aws_subnet.private : zone => subnet.id }
    security_groups = { for purpose, group in aws_security_group.this : purpose => group.id }
    vpn_connection  = one([for connection in aws_vpn_connection.this : connection.id])
  }
}
