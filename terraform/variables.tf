variable "region" {
  description = "AWS region of every resource."
  type        = string
  default     = "eu-west-1"
  nullable    = false
}

variable "project" {
  description = "First part of every name."
  type        = string
  default     = "millpond"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,14}$", var.project))
    error_message = "A project is 2 to 15 lower-case letters, digits and hyphens, and begins with a letter: bucket names hold it."
  }
}

variable "environment" {
  description = "Second part of every name, for example dev or prod."
  type        = string
  default     = "dev"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,7}$", var.environment))
    error_message = "An environment is 2 to 8 lower-case letters and digits, and begins with a letter: bucket names hold it."
  }
}

variable "package_dir" {
  description = "Directory that the build filled: Lambda zips, job scripts, the ingest library and manifest.json."
  type        = string
  default     = "../dist"
  nullable    = false

  validation {
    condition     = fileexists("${var.package_dir}/manifest.json")
    error_message = "There is no manifest.json in package_dir: it is what lake.package builds (make deploy does so first)."
  }
}

variable "fixtures_dir" {
  description = "Directory that holds job_settings/*.json and table_structures/*.json, one file a table."
  type        = string
  default     = "../fixtures"
  nullable    = false
}

variable "onprem_db" {
  description = "Where the on-premises database listens. Its user and password are in the secret, which Terraform never reads."
  type = object({
    host = string
    port = number
    name = string
  })
  nullable = false

  validation {
    condition     = var.onprem_db.port >= 1 && var.onprem_db.port <= 65535
    error_message = "A port is a number from 1 to 65535."
  }
}

variable "schedule" {
  description = "When the ingest starts by itself, as an EventBridge schedule expression in UTC, until somebody turns its parameter."
  type        = string
  default     = "cron(0 2 * * ? *)"
  nullable    = false

  validation {
    condition     = can(regex("^(cron|rate)\\(.+\\)$", var.schedule))
    error_message = "A schedule is cron(...) or rate(...)."
  }
}

variable "is_scheduled" {
  description = "Whether the schedule is on."
  type        = bool
  default     = true
  nullable    = false
}

variable "max_concurrency" {
  description = "How many batches of tables one run ingests at once, until somebody turns its parameter; each job accepts twice as many runs, so that two runs fit side by side."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.max_concurrency >= 1 && var.max_concurrency <= 40 && floor(var.max_concurrency) == var.max_concurrency
    error_message = "max_concurrency is a whole number from 1 to 40, more than which no source was tried with."
  }
}

variable "flex_dpu_hour_usd" {
  description = "What an hour of a DPU costs in the region with flexible execution, which tables that are not urgent take."
  type        = number
  default     = 0.29
  nullable    = false
}

variable "table_target_seconds" {
  description = "How long a table of engine auto may take: the cheapest engine that is estimated to be done by then ingests it."
  type        = number
  default     = 900
  nullable    = false

  validation {
    condition     = var.table_target_seconds >= 60
    error_message = "A job run is billed for a minute at least: table_target_seconds is no less."
  }
}

variable "approval_hours" {
  description = "How long a run waits for somebody to decide about a change of the source's schema."
  type        = number
  default     = 12
  nullable    = false

  validation {
    condition     = var.approval_hours >= 1 && var.approval_hours <= 168 && floor(var.approval_hours) == var.approval_hours
    error_message = "approval_hours is a whole number from 1 to 168."
  }
}

variable "rotation_days" {
  description = "After how many days the password of the on-premises database is changed by itself."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.rotation_days >= 1 && var.rotation_days <= 1000
    error_message = "Secrets Manager rotates every 1 to 1000 days."
  }
}

variable "lambda_reserved_concurrency" {
  description = "How many of each Lambda may run at once; -1 for as many as the account has left, which a new account may not reserve."
  type        = number
  default     = -1
  nullable    = false
}

variable "spark_threshold_bytes" {
  description = "A table of engine auto that is estimated to be at least this large is ingested by Spark, a smaller one by the Python shell job, until somebody turns the parameter."
  type        = number
  default     = 1073741824
  nullable    = false

  validation {
    condition     = var.spark_threshold_bytes >= 0
    error_message = "spark_threshold_bytes is not negative."
  }
}

variable "job_timeout_minutes" {
  description = "How long one Glue job run may take."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.job_timeout_minutes >= 1 && var.job_timeout_minutes <= 2880
    error_message = "A job run may take from 1 minute to two days."
  }
}

variable "query_scan_limit_bytes" {
  description = "Most that one Athena query may scan."
  type        = number
  default     = 107374182400
  nullable    = false

  validation {
    condition     = var.query_scan_limit_bytes >= 10485760
    error_message = "Athena accepts no scan limit below 10 MB."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept, those of access to buckets too; 0.03 USD per GB and month."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "CloudWatch Logs keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 or 731 days."
  }
}

variable "is_protected" {
  description = "Whether tables and non-empty buckets refuse to be deleted, and a deleted secret can be had back for a week."
  type        = bool
  default     = true
  nullable    = false
}

variable "permissions_boundary" {
  description = "ARN of the policy that limits every role made here; null for none."
  type        = string
  default     = null
}

variable "vpc_cidr" {
  description = "Addresses of the VPC; each of its three subnets takes a sixteenth."
  type        = string
  default     = "10.60.0.0/20"
  nullable    = false

  validation {
    condition     = can(cidrsubnet(var.vpc_cidr, 4, 2)) && try(tonumber(split("/", var.vpc_cidr)[1]), 0) >= 16 && try(tonumber(split("/", var.vpc_cidr)[1]), 99) <= 24
    error_message = "The VPC needs an IPv4 range of /16 to /24, such as 10.60.0.0/20."
  }
}

variable "onprem_cidrs" {
  description = "Address ranges of the site in which the database stands; no job may speak to another, and they differ from the VPC's."
  type        = list(string)
  default     = ["10.20.0.0/16"]
  nullable    = false

  validation {
    condition     = length(var.onprem_cidrs) > 0 && length(var.onprem_cidrs) <= 20 && alltrue([for cidr in var.onprem_cidrs : can(cidrhost(cidr, 0))])
    error_message = "Name 1 to 20 ranges, such as 10.20.0.0/16."
  }
}

variable "customer_gateway_ip" {
  description = "Public address of the site's VPN device; null where the VPC is joined to the site in another way. A VPN connection costs about 36 USD a month, and 0.09 USD per GB that leaves AWS."
  type        = string
  default     = null

  validation {
    condition     = var.customer_gateway_ip == null || can(regex("^([0-9]{1,3}\\.){3}[0-9]{1,3}$", var.customer_gateway_ip))
    error_message = "customer_gateway_ip is an IPv4 address, or null."
  }
}

variable "interface_endpoints" {
  description = "Services that are called from inside the VPC, which has no way to the internet. Each costs about 8 USD a month in each zone, and 0.01 USD per GB; S3 and DynamoDB have gateway endpoints, which are free."
  type        = set(string)
  default     = ["glue", "logs", "monitoring", "secretsmanager", "ssm"]
  nullable    = false
}

variable "interface_endpoint_zones" {
  description = "In how many zones each interface endpoint stands: one is enough for the jobs, three survive the loss of a zone, at three times the cost."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = contains([1, 2, 3], var.interface_endpoint_zones)
    error_message = "interface_endpoint_zones is 1, 2 or 3."
  }
}

variable "raw_cool_after_days" {
  description = "After how many days what has landed moves to the class for infrequent access, which halves its cost."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.raw_cool_after_days >= 30
    error_message = "S3 moves nothing to infrequent access in its first 30 days."
  }
}

variable "raw_cold_after_days" {
  description = "After how many days what has landed moves to the archive that is read at once, at a sixth of its cost."
  type        = number
  default     = 120
  nullable    = false

  validation {
    condition     = var.raw_cold_after_days >= var.raw_cool_after_days + 30
    error_message = "raw_cold_after_days is at least 30 days after raw_cool_after_days: less is billed all the same."
  }
}

variable "result_retention_days" {
  description = "How long results of queries are kept."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = var.result_retention_days >= 1
    error_message = "result_retention_days is at least 1."
  }
}

variable "spark_max_workers" {
  description = "Most workers of a Spark job run, of 1 DPU each; a run has as many of them as it has work for."
  type        = number
  default     = 4
  nullable    = false

  validation {
    condition     = var.spark_max_workers >= 2 && var.spark_max_workers <= 299 && floor(var.spark_max_workers) == var.spark_max_workers
    error_message = "A Spark job has 2 to 299 workers."
  }
}

variable "dpu_hour_usd" {
  description = "What an hour of a DPU costs in the region, for the estimate that each run records."
  type        = number
  default     = 0.44
  nullable    = false
}

variable "operator_emails" {
  description = "Addresses that are told of alarms, of failed jobs, and asked for approvals."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "late_after_hours" {
  description = "Hours without a run that went well after which the ingest counts as late: somewhat more than its schedule's, and turned with it."
  type        = number
  default     = 26
  nullable    = false

  validation {
    condition     = var.late_after_hours >= 1 && var.late_after_hours <= 168 && floor(var.late_after_hours) == var.late_after_hours
    error_message = "late_after_hours is a whole number from 1 to 168: an alarm looks back a week at most."
  }
}

variable "daily_cost_limit_usd" {
  description = "Estimated cost of one day's runs from which on operators are told."
  type        = number
  default     = 20
  nullable    = false
}
