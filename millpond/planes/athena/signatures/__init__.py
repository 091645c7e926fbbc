"""Trino's functions by signature: what each takes, what it returns, and what computes it."""
