output "buckets" {
  description = "Name of each bucket by its purpose: lake, artifacts, athena-results."
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

output "parameters" {
  description = "Parameter Store name of each setting that an operator turns."
  value       = { for name, parameter in aws_ssm_parameter.ingest : name => parameter.name }
}

output "glue_databases" {
  description = "Databases of the catalog, one for each source schema."
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

output "plan_function" {
  description = "Lambda that chooses what a run ingests."
  value       = aws_lambda_function.plan.function_name
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
  value       = aws_sns_topic.ingest_events.arn
}

output "schedule_rule" {
  description = "EventBridge rule that starts a run by the clock."
  value       = aws_cloudwatch_event_rule.schedule.name
}
