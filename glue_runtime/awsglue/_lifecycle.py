"""Files of S3 deleted, or moved to another storage class."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Mapping, Optional

from awsglue import _files
from awsglue._catalog import Catalog

_RETENTION_HOURS = 168
_HOUR = 3_600_000

Action = Callable[[Any, str, str], None]


def purge_path(session: Any, path: str, options: Mapping[str, Any]) -> None:
    """See ``GlueContext.purge_s3_path``."""
    _act(session, [path], options, _delete)


def transition_path(session: Any, path: str, storage_class: str, options: Mapping[str, Any]) -> None:
    """See ``GlueContext.transition_s3_path``."""
    _check_transition(options)
    _act(session, [path], options, _move(storage_class))


def purge_table(
    catalog: Catalog, database: str, name: str, options: Mapping[str, Any], catalog_id: Optional[str]
) -> None:
    """See ``GlueContext.purge_table``."""
    places = _places(catalog, database, name, options, catalog_id)
    _act(catalog.session, list(places), options, _delete)
    empty = [
        values for place, values in places.items() if values and not _files.files_of(catalog.session, [place])
    ]
    for values in empty:
        catalog.client.delete_partition(DatabaseName=database, TableName=name, PartitionValues=list(values))


def transition_table(
    catalog: Catalog,
    database: str,
    name: str,
    storage_class: str,
    options: Mapping[str, Any],
    catalog_id: Optional[str],
) -> None:
    """See ``GlueContext.transition_table``."""
    _check_transition(options)
    places = _places(catalog, database, name, options, catalog_id)
    _act(catalog.session, list(places), options, _move(storage_class))


def _check_transition(options: Mapping[str, Any]) -> None:
    for name in ("accountId", "roleArn"):
        if not options.get(name):
            raise ValueError(f"a transition takes the option {name}")


def _places(
    catalog: Catalog, database: str, name: str, options: Mapping[str, Any], catalog_id: Optional[str]
) -> Dict[str, Any]:
    table = catalog.table(database, name, catalog_id)
    if not table.partition_keys.fields:
        return {table.location: None}
    predicate = str(options.get("partitionPredicate") or "")
    partitions = catalog.partitions(database, table, push_down_predicate=predicate, catalog_id=catalog_id)
    return {partition.location: tuple(partition.values) for partition in partitions}


def _act(session: Any, paths: List[str], options: Mapping[str, Any], action: Action) -> None:
    import boto3

    hours = float(options.get("retentionPeriod", _RETENTION_HOURS))
    newest = time.time() * 1000 - hours * _HOUR
    files = [
        file
        for file in _files.files_of(
            session, paths, excluded_classes=options.get("excludeStorageClasses") or ()
        )
        if file.modified <= newest
    ]
    client = boto3.client("s3")
    done: List[str] = []
    failed: List[str] = []
    for file in files:
        bucket, key = _files.bucket_and_key(file.path)
        try:
            action(client, bucket, key)
            done.append(file.path)
        except client.exceptions.ClientError as error:
            failed.append(f"{file.path},{error}")
    manifest = options.get("manifestFilePath")
    if manifest:
        bucket, prefix = _files.bucket_and_key(str(manifest).rstrip("/") + "/")
        for name, lines in (("Success.csv", done), ("Failed.csv", failed)):
            body = "".join(f"{line}\n" for line in lines).encode()
            client.put_object(Bucket=bucket, Key=f"{prefix}{name}", Body=body)
    if failed and not manifest:
        raise RuntimeError(f"{len(failed)} of {len(files)} files could not be changed: {failed[0]}")


def _delete(client: Any, bucket: str, key: str) -> None:
    client.delete_object(Bucket=bucket, Key=key)


def _move(storage_class: str) -> Action:
    def move(client: Any, bucket: str, key: str) -> None:
        client.copy_object(
            Bucket=bucket,
            Key=key,
            CopySource={"Bucket": bucket, "Key": key},
            StorageClass=storage_class,
            MetadataDirective="COPY",
        )

    return move
