"""Glue's transforms of machine learning, each refused by its name: they are models of AWS."""
