"""Finds or installs what Millpond runs: interpreters, Java, Terraform, jars, wheels."""
