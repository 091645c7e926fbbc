"""What the engine does for S3 beside LocalStack's own provider."""
