"""What the engine does for CloudWatch beside LocalStack's own provider."""
