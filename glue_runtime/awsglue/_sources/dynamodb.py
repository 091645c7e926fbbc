"""Tables of DynamoDB, read in segments and written in batches by its API."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Mapping

from pyspark import StorageLevel

from awsglue import _infer
from awsglue._content import Content, settle
from awsglue._ops.boxes import plain_item
from awsglue._ops.records import from_records
from awsglue._refuse import refuse


def read(session: Any, options: Mapping[str, Any]) -> Content:
    """The items of a table as records.

    Parameters
    ----------
    session : SparkSession
    options : mapping
        ``dynamodb.input.tableName``, ``dynamodb.splits``.
    """
    if options.get("dynamodb.export"):
        refuse("connection_type dynamodb", "dynamodb.export (the export connector)")
    table = options.get("dynamodb.input.tableName")
    if not table:
        raise ValueError("connection_options of a dynamodb source name no dynamodb.input.tableName")
    if options.get("dynamodb.sts.roleArn"):
        refuse("connection_type dynamodb", "dynamodb.sts.roleArn (another account's table)")
    parallel = session.sparkContext.defaultParallelism
    splits = int(options.get("dynamodb.splits") or max(1, parallel))

    def scan(segment: int) -> Iterator[Dict[str, Any]]:
        import boto3

        pages = (
            boto3.client("dynamodb")
            .get_paginator("scan")
            .paginate(TableName=table, Segment=segment, TotalSegments=splits)
        )
        for page in pages:
            for item in page["Items"]:
                yield plain_item(item)

    items = session.sparkContext.parallelize(range(splits), splits).flatMap(scan)
    # A second scan of the table would cost its capacity again, and might find other items.
    return from_records(session, items.persist(StorageLevel.MEMORY_AND_DISK))


def write(content: Content, options: Mapping[str, Any]) -> None:
    """Put records into a table.

    Parameters
    ----------
    content : Content
    options : mapping
        ``dynamodb.output.tableName``.
    """
    table = options.get("dynamodb.output.tableName")
    if not table:
        raise ValueError("connection_options of a dynamodb sink name no dynamodb.output.tableName")
    content = settle(content)
    kind = content.schema

    def put(rows: Iterator[Any]) -> None:
        import boto3

        with boto3.resource("dynamodb").Table(table).batch_writer() as writer:
            for row in rows:
                record = _infer.logical(row, kind)
                writer.put_item(Item={name: _item(one) for name, one in record.items() if one is not None})

    content.df.rdd.foreachPartition(put)


def _item(value: Any) -> Any:
    import datetime
    import decimal

    if isinstance(value, float):
        return decimal.Decimal(repr(value))
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _item(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_item(one) for one in value]
    return bytes(value) if isinstance(value, bytearray) else value
