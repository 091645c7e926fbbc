"""What the console shows, read through AWS's API: plain functions over clients, and no page."""
