"""Partitions and the indexes over them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from itertools import islice
from typing import Any

from millpond.planes.glue.catalog.expressions import compile_expression
from millpond.planes.glue.catalog.store import Catalog, Partition, Table, check_values, partition_of
from millpond.planes.glue.exceptions import (
    AlreadyExistsException,
    EntityNotFoundException,
    GlueError,
    InvalidInputException,
    ResourceNumberLimitExceededException,
)
from millpond.planes.glue.paging import offset, page
from millpond.planes.glue.requests import Request, Shape, chosen, found, now, required

_MEMBERS = ("LastAccessTime", "StorageDescriptor", "Parameters", "LastAnalyzedTime")
_PAGE = 1000
# "Working with partition indexes" in the Developer Guide.
_MOST_INDEXES = 3


class Partitions:
    """Operations of partitions.

    Parameters
    ----------
    catalog : Catalog
        Where they are.
    """

    OPERATIONS = (
        "BatchCreatePartition",
        "BatchDeletePartition",
        "BatchGetPartition",
        "BatchUpdatePartition",
        "CreatePartition",
        "CreatePartitionIndex",
        "DeletePartition",
        "DeletePartitionIndex",
        "GetPartition",
        "GetPartitionIndexes",
        "GetPartitions",
        "UpdatePartition",
    )

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def create_partition(self, request: Request) -> Shape:
        with self._catalog.lock:
            table = self._catalog.asked_table(request)
            self._add(table, required(request, "PartitionInput"))
        return {}

    def batch_create_partition(self, request: Request) -> Shape:
        def create(table: Table, given: Shape) -> None:
            self._add(table, given)

        return self._each(request, "PartitionInputList", "Values", create)

    def get_partition(self, request: Request) -> Shape:
        with self._catalog.lock:
            return {"Partition": self._catalog.asked_partition(request).definition}

    def batch_get_partition(self, request: Request) -> Shape:
        with self._catalog.lock:
            table = self._catalog.asked_table(request)
            wanted = [tuple(one["Values"]) for one in required(request, "PartitionsToGet")]
            there = [table.partitions[values].definition for values in wanted if values in table.partitions]
        # What is not there is left out; UnprocessedKeys are those that there was no time for.
        return {"Partitions": there, "UnprocessedKeys": []}

    def get_partitions(self, request: Request) -> Shape:
        if request.get("TransactionId") or request.get("QueryAsOfTime"):
            raise InvalidInputException("Tables are not governed: there is one time only")
        with self._catalog.lock:
            table = self._catalog.asked_table(request)
            partitions = list(table.partitions.items())
            fits = compile_expression(request.get("Expression") or "", table.keys)
        in_segment = _segment(request.get("Segment"))
        # The token is a place among all partitions, so that no page looks at those of the pages before it.
        start, most = offset(request), int(request.get("MaxResults") or _PAGE)
        fitting = (
            (place, partition.definition)
            for place, (values, partition) in enumerate(partitions[start:], start)
            if in_segment(values) and fits(values)
        )
        some = [definition for _, definition in islice(fitting, most)]
        following = next(fitting, None)
        token = {"NextToken": str(following[0])} if following else {}
        if request.get("ExcludeColumnSchema"):
            some = [_without_columns(one) for one in some]
        return {"Partitions": some, **token}

    def update_partition(self, request: Request) -> Shape:
        with self._catalog.lock:
            table = self._catalog.asked_table(request)
            self._change(table, request["PartitionValueList"], required(request, "PartitionInput"))
        return {}

    def batch_update_partition(self, request: Request) -> Shape:
        def update(table: Table, entry: Shape) -> None:
            self._change(table, entry["PartitionValueList"], entry["PartitionInput"])

        return self._each(request, "Entries", "PartitionValueList", update, "PartitionValueList")

    def delete_partition(self, request: Request) -> Shape:
        with self._catalog.lock:
            table = self._catalog.asked_table(request)
            _remove(table, request["PartitionValues"])
        return {}

    def batch_delete_partition(self, request: Request) -> Shape:
        def delete(table: Table, one: Shape) -> None:
            _remove(table, one["Values"])

        return self._each(request, "PartitionsToDelete", "Values", delete)

    # Indexes

    def create_partition_index(self, request: Request) -> Shape:
        with self._catalog.lock:
            new_index(self._catalog.asked_table(request), required(request, "PartitionIndex"))
        return {}

    def get_partition_indexes(self, request: Request) -> Shape:
        with self._catalog.lock:
            indexes = self._catalog.asked_table(request).indexes
            some, token = page([indexes[name] for name in sorted(indexes)], request)
        return {"PartitionIndexDescriptorList": some, **token}

    def delete_partition_index(self, request: Request) -> Shape:
        name = required(request, "IndexName")
        with self._catalog.lock:
            indexes = self._catalog.asked_table(request).indexes
            found(indexes, name, f"Index with the given indexName : {name} does not exist")
            del indexes[name]
        return {}

    def _each(
        self,
        request: Request,
        member: str,
        values_member: str,
        act: Callable[[Table, Shape], None],
        told_as: str = "PartitionValues",
    ) -> Shape:
        errors = []
        with self._catalog.lock:
            table = self._catalog.asked_table(request)
            for one in request.get(member) or []:
                try:
                    act(table, one)
                except GlueError as error:
                    detail = {"ErrorCode": error.code, "ErrorMessage": error.message}
                    errors.append({told_as: one.get(values_member, []), "ErrorDetail": detail})
        return {"Errors": errors}

    def _add(self, table: Table, given: Shape, created: Any = None) -> None:
        values = list(given.get("Values") or [])
        check_values(table, values)
        if tuple(values) in table.partitions:
            raise AlreadyExistsException("Partition already exists.")
        table.partitions[tuple(values)] = Partition(self._define(table, values, given, created or now()))

    def _change(self, table: Table, old_values: list[str], given: Shape) -> None:
        old = partition_of(table, old_values)
        values = list(given.get("Values") or old_values)
        check_values(table, values)
        if values != list(old_values) and tuple(values) in table.partitions:
            raise AlreadyExistsException("Partition already exists.")
        definition = self._define(table, values, given, old.definition["CreationTime"])
        if values == list(old_values):
            old.definition = definition
            return
        del table.partitions[tuple(old_values)]
        table.partitions[tuple(values)] = Partition(definition)

    def _define(self, table: Table, values: list[str], given: Shape, created: Any) -> Shape:
        return {
            "Values": values,
            "DatabaseName": table.current["DatabaseName"],
            "TableName": table.current["Name"],
            "CreationTime": created,
            "CatalogId": self._catalog.context.account_id,
            **chosen(given, *_MEMBERS),
        }


def new_index(table: Table, given: Request) -> None:
    """Make an index; the lock is held, or nobody else has the table.

    Raises
    ------
    InvalidInputException
        If it is not over partition keys of the table.
    """
    name, keys = given["IndexName"], [str(key).lower() for key in given["Keys"]]
    types = {str(key["Name"]).lower(): key.get("Type", "string") for key in table.keys}
    if missing := [key for key in keys if key not in types]:
        raise InvalidInputException(f"Keys {', '.join(missing)} are not partition keys of the table")
    if name in table.indexes:
        raise AlreadyExistsException(f"Index with the given indexName : {name} already exists")
    if any([key["Name"] for key in one["Keys"]] == keys for one in table.indexes.values()):
        raise AlreadyExistsException("Index with the given key set already exists")
    if len(table.indexes) >= _MOST_INDEXES:
        raise ResourceNumberLimitExceededException("The number of partition indexes exceeds the limit")
    table.indexes[name] = {
        "IndexName": name,
        "Keys": [{"Name": key, "Type": types[key]} for key in keys],
        "IndexStatus": "ACTIVE",
    }


def _remove(table: Table, values: list[str]) -> None:
    if tuple(values) not in table.partitions:
        raise EntityNotFoundException("Cannot find partition.")
    del table.partitions[tuple(values)]


def _segment(asked: Request | None) -> Callable[[tuple[str, ...]], bool]:
    """Whether a partition is of the segment that is asked for: each is of exactly one."""
    if not asked:
        return lambda _values: True
    number, total = int(asked["SegmentNumber"]), int(asked["TotalSegments"])
    if number >= total:
        raise InvalidInputException("The segment number must be less than the total number of segments")
    return lambda values: zlib.crc32("\0".join(values).encode()) % total == number


def _without_columns(partition: Shape) -> Shape:
    if "StorageDescriptor" not in partition:
        return partition
    storage = {key: value for key, value in partition["StorageDescriptor"].items() if key != "Columns"}
    return {**partition, "StorageDescriptor": storage}
