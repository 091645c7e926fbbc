"""What a repository deploys and how: mirror, stack, build, Terraform's log, targets."""
