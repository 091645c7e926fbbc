"""What the engine does for Secrets Manager beside LocalStack's own provider."""
