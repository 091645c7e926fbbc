"""What the engine does for EC2 and VPC beside LocalStack's own provider."""
