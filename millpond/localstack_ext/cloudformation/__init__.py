"""What the engine does for CloudFormation beside LocalStack's own provider."""
