terraform {
  required_version = ">= 1.9"

  # Bucket, key, region and lock come from the build that deploys: see CFN/seed.yaml.
  backend "s3" {}

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}
