"""What the engine does for Step Functions beside LocalStack's own provider."""
