"""Apache Iceberg tables of the Glue catalog, as Athena's engine version 3 reads, writes and maintains them.

What is in a table is found in its metadata files, through pyiceberg; rows are read and written by DuckDB.
"""
