"""The part of Glue's ``awsglue`` library that Millpond offers to job scripts.

Written from the public documentation of the API. What is not here raises ``NotImplementedError`` with the
name of what was called: a script never gets an answer that AWS would not have given.
"""
