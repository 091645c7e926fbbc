"""Compare the lake with the database it came from: ``make verify``."""
