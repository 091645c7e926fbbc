"""What the engine does for DynamoDB beside LocalStack's own provider."""
