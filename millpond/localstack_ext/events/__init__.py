"""What the engine does for EventBridge beside LocalStack's own provider."""
