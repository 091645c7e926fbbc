terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

# The second step changes every resource that can be changed in place.
variable "step" {
  type    = number
  default = 1
}

provider "aws" {
  region            = "eu-west-1"
  s3_use_path_style = true
}
