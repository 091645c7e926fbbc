"""What the ingest jobs share: from a PostgreSQL table to a table of the Glue catalog.

The package runs inside AWS Glue, on Python 3.9 (Python shell) and 3.11 (Spark). Everything here
except the ``shell_*`` and ``spark_*`` modules needs nothing but boto3.
"""
