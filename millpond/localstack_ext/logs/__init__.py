"""What the engine does for CloudWatch Logs beside LocalStack's own provider."""
