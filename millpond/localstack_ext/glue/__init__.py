"""What the engine does for Glue beside LocalStack's own provider."""
