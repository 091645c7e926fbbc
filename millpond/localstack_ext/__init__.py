"""Adapts the execution planes to LocalStack: the only package that imports ``localstack``."""
