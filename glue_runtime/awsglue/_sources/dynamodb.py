"""Tables of DynamoDB, read in segments and written in batches by its API."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Mapping

from pyspark import StorageLevel

from awsglue import _infer
from awsglue._content import Content, settle
from awsglue._ops.boxes import plain_item, simplify_ddb_json, unnest_ddb_json
from awsglue._ops.records import from_records
from awsglue._refuse import refuse
from awsglue._sources.scan import flag


def read(session: Any, options: Mapping[str, Any]) -> Content:
    """The items of a table as records.

    Parameters
    ----------
    session : SparkSession
    options : mapping
        ``dynamodb.input.tableName``, ``dynamodb.splits``, ``dynamodb.region``, ``dynamodb.sts.roleArn``; with
        ``dynamodb.export`` instead ``dynamodb.tableArn``, ``dynamodb.unnestDDBJson``,
        ``dynamodb.simplifyDDBJson``: the items in DynamoDB JSON, of the table as it is.
    """
    export = str(options.get("dynamodb.export") or "").lower()
    if export not in ("", "ddb"):
        refuse("connection_type dynamodb", f"dynamodb.export {export}")
    table = str(options.get("dynamodb.input.tableName") or options.get("dynamodb.tableArn") or "")
    if not table:
        raise ValueError("connection_options of a dynamodb source name no dynamodb.input.tableName")
    parallel = session.sparkContext.defaultParallelism
    splits = int(options.get("dynamodb.splits") or max(1, parallel))
    where = _where(options)
    simplifies, unnests = (
        flag(options, name) for name in ("dynamodb.simplifyDDBJson", "dynamodb.unnestDDBJson")
    )

    def scan(segment: int) -> Iterator[Dict[str, Any]]:
        import boto3

        pages = (
            boto3.client("dynamodb", **where)
            .get_paginator("scan")
            .paginate(TableName=table.rsplit("/", 1)[-1], Segment=segment, TotalSegments=splits)
        )
        for page in pages:
            for item in page["Items"]:
                yield plain_item(item) if not export else item if simplifies else {"Item": item}

    items = session.sparkContext.parallelize(range(splits), splits).flatMap(scan)
    # A second scan of the table would cost its capacity again, and might find other items.
    content = from_records(session, items.persist(StorageLevel.MEMORY_AND_DISK))
    if export and simplifies:
        return simplify_ddb_json(settle(content))
    return unnest_ddb_json(settle(content)) if export and unnests else content


def _where(options: Mapping[str, Any]) -> Dict[str, Any]:
    """Region and credentials of the table, for a client; the run's own where no others are named."""
    import boto3

    where: Dict[str, Any] = {}
    if options.get("dynamodb.region"):
        where["region_name"] = str(options["dynamodb.region"])
    if options.get("dynamodb.sts.roleArn"):
        assumed = boto3.client("sts").assume_role(
            RoleArn=str(options["dynamodb.sts.roleArn"]),
            RoleSessionName=str(options.get("dynamodb.sts.roleSessionName") or "glue-dynamodb-sts-session"),
        )["Credentials"]
        where |= {
            "aws_access_key_id": assumed["AccessKeyId"],
            "aws_secret_access_key": assumed["SecretAccessKey"],
            "aws_session_token": assumed["SessionToken"],
        }
    return where


def write(content: Content, options: Mapping[str, Any]) -> None:
    """Put records into a table.

    Parameters
    ----------
    content : Content
    options : mapping
        ``dynamodb.output.tableName``, and where it is as of :func:`read`.
    """
    table = options.get("dynamodb.output.tableName")
    if not table:
        raise ValueError("connection_options of a dynamodb sink name no dynamodb.output.tableName")
    content = settle(content)
    kind, where = content.schema, _where(options)

    def put(rows: Iterator[Any]) -> None:
        import boto3

        with boto3.resource("dynamodb", **where).Table(table).batch_writer() as writer:
            for row in rows:
                record = _infer.logical(row, kind)
                writer.put_item(
                    Item={
                        name: _item(attribute) for name, attribute in record.items() if attribute is not None
                    }
                )

    content.df.rdd.foreachPartition(put)


def _item(value: Any) -> Any:
    import datetime
    import decimal

    if isinstance(value, float):
        return decimal.Decimal(repr(value))
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _item(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_item(item) for item in value]
    return bytes(value) if isinstance(value, bytearray) else value
