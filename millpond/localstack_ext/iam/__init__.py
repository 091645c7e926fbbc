"""IAM's policies asked at every call."""
