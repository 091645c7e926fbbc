# The provider that the platform is tested with. The hashes of a machine's architecture are added there.
provider "registry.terraform.io/hashicorp/aws" {
  version = "5.100.0"
}
