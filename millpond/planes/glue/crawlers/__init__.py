"""Crawlers: they read what is in S3, in databases and in DynamoDB, and make its tables in the catalog."""

from millpond.planes.glue.crawlers.operations import Crawlers

__all__ = ["Crawlers"]
