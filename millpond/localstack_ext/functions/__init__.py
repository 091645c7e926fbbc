"""What the engine does for Lambda beside LocalStack's own provider."""
