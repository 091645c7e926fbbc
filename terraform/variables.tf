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
    error_message = "There is no manifest.json in package_dir: it is what millpond.package builds (make deploy does so first)."
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
  description = "When the ingest starts by itself, as an EventBridge schedule expression in UTC."
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
  description = "How many tables one run ingests at once; each job accepts twice as many runs, so that two runs fit side by side."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.max_concurrency >= 1 && var.max_concurrency <= 40 && floor(var.max_concurrency) == var.max_concurrency
    error_message = "max_concurrency is a whole number from 1 to 40, the most that an inline Map state runs at once."
  }
}

variable "spark_threshold_bytes" {
  description = "A table of engine auto that is estimated to be at least this large is ingested by Spark, a smaller one by the Python shell job."
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
  description = "How long logs are kept."
  type        = number
  default     = 30
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
