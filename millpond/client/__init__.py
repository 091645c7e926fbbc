"""What asks a running stack through the AWS API: clients, queries, logs."""
