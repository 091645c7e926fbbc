provider "aws" {
  region = var.region

  default_tags {
    tags = {
      project     = var.project
      environment = var.environment
      managed_by  = "terraform"
    }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  prefix     = "${var.project}-${var.environment}"
  path       = "${var.project}/${var.environment}"
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition

  # "arn:PARTITION:SERVICE:REGION:ACCOUNT" is how most ARNs of this account begin.
  arn = {
    for service in ["cloudwatch", "ec2", "glue", "logs", "sqs", "states"] :
    service => "arn:${local.partition}:${service}:${var.region}:${local.account_id}"
  }

  # What the build put into package_dir: file names, hashes, and which of them a job brings.
  package = jsondecode(file("${var.package_dir}/manifest.json"))

  # One plain JSON object a file; the file is named after the table it is about.
  table_structures = {
    for name in fileset(var.fixtures_dir, "table_structures/*.json") :
    trimsuffix(basename(name), ".json") => jsondecode(file("${var.fixtures_dir}/${name}"))
  }
  # What is ingested, and what the ingest itself keeps, such as the rows it put into quarantine.
  source_databases = toset([
    for settings in values(local.job_settings) : settings.target_database if can(settings.target_database)
  ])
  databases = setunion(local.source_databases, [local.operations_database])

  operations_database = "operations"
}
