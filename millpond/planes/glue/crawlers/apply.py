"""Writes what a crawl has found into the catalog, as the crawler's policies say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from millpond.planes.glue.crawlers.layout import FoundTable
from millpond.planes.glue.crawlers.store import Crawl
from millpond.planes.glue.exceptions import EntityNotFoundException

Shape = dict[str, Any]

_AT_ONCE = 100
_CREATED_BY = "UPDATED_BY_CRAWLER"


@dataclass(frozen=True)
class Policies:
    """How a crawler treats what is there already.

    Parameters
    ----------
    updates, deletes : str
        ``SchemaChangePolicy``.
    adds_columns_only : bool
        ``MergeNewColumns`` of the configuration's ``Tables``.
    inherits : bool
        ``InheritFromTable`` of the configuration's ``Partitions``.
    """

    updates: str
    deletes: str
    adds_columns_only: bool
    inherits: bool

    @classmethod
    def of(cls, crawler: Mapping[str, Any]) -> Policies:
        policy = crawler["SchemaChangePolicy"]
        output = configuration_of(crawler).get("CrawlerOutput") or {}
        return cls(
            policy["UpdateBehavior"],
            policy["DeleteBehavior"],
            (output.get("Tables") or {}).get("AddOrUpdateBehavior") == "MergeNewColumns",
            (output.get("Partitions") or {}).get("AddOrUpdateBehavior") == "InheritFromTable",
        )


def configuration_of(crawler: Mapping[str, Any]) -> Shape:
    """The crawler's ``Configuration``."""
    configuration: Shape = json.loads(crawler.get("Configuration") or "{}")
    return configuration


class Applier:
    """Writes the tables of one crawl.

    Parameters
    ----------
    glue : object
        The catalog's operations.
    crawler : dict
        The ``Crawler`` structure.
    crawl : Crawl
        Counts what is done.
    log : callable
        Takes a line of the crawl's log.
    """

    def __init__(self, glue: Any, crawler: Shape, crawl: Crawl, log: Callable[[str], None]) -> None:
        self._glue = glue
        self._crawler = crawler
        self._crawl = crawl
        self._log = log
        self._database = str(crawler["DatabaseName"])
        self._policies = Policies.of(crawler)

    def write(self, found: FoundTable) -> None:
        """Make or update a table and its partitions."""
        name = f"{self._crawler.get('TablePrefix') or ''}{found.name}".lower()
        given = self._table_input(name, found)
        try:
            old = self._glue.get_table({"DatabaseName": self._database, "Name": name})["Table"]
        except EntityNotFoundException:
            self._glue.create_table({"DatabaseName": self._database, "TableInput": given})
            self._crawl.created += 1
            self._log(f"Created table {name} in database {self._database}")
        else:
            self._update(old, given)
        if found.keys:
            self._add_partitions(name, found)

    def remove_missing(self, names: set[str], is_covered: Callable[[Shape], bool]) -> None:
        """Do to the crawler's tables that were not found again what its policy says."""
        for table in self._own_tables():
            if table["Name"] in names or not is_covered(table):
                continue
            if self._policies.deletes == "DELETE_FROM_DATABASE":
                self._glue.delete_table({"DatabaseName": self._database, "Name": table["Name"]})
                self._crawl.deleted += 1
                self._log(f"Deleted table {table['Name']}")
            elif self._policies.deletes == "DEPRECATE_IN_DATABASE":
                parameters = {**table["Parameters"], "DEPRECATED_BY_CRAWLER": _milliseconds()}
                self._change({**table, "Parameters": parameters})
                self._log(f"Deprecated table {table['Name']}")

    def _own_tables(self) -> list[Shape]:
        tables = self._glue.get_tables({"DatabaseName": self._database, "MaxResults": 1_000_000})["TableList"]
        return [
            one for one in tables if (one.get("Parameters") or {}).get(_CREATED_BY) == self._crawler["Name"]
        ]

    def _table_input(self, name: str, found: FoundTable) -> Shape:
        parameters = found.schema.table_parameters(found.size, found.objects, self._crawler["Name"])
        storage = found.schema.storage(found.location)
        storage["Parameters"] = parameters
        return {
            "Name": name,
            "Owner": "owner",
            "Retention": 0,
            "TableType": "EXTERNAL_TABLE",
            "StorageDescriptor": storage,
            "PartitionKeys": [{"Name": key, "Type": "string"} for key in found.keys],
            "Parameters": parameters | ({"partition_filtering.enabled": "true"} if found.keys else {}),
        }

    def _update(self, old: Shape, given: Shape) -> None:
        if self._policies.updates != "UPDATE_IN_DATABASE":
            self._log(f"Table {old['Name']} is left as it is: UpdateBehavior is LOG")
            return
        storage = given["StorageDescriptor"]
        before = (old.get("StorageDescriptor") or {}).get("Columns") or []
        if self._policies.adds_columns_only:
            known = {column["Name"] for column in before}
            storage["Columns"] = [*before, *(one for one in storage["Columns"] if one["Name"] not in known)]
        kept = {
            key: value
            for key, value in (old.get("Parameters") or {}).items()
            if key != "DEPRECATED_BY_CRAWLER"
        }
        changed = {**given, "Parameters": {**kept, **given["Parameters"]}}
        is_same = (
            before == storage["Columns"]
            and old.get("PartitionKeys") == given["PartitionKeys"]
            and (old.get("Parameters") or {}) == changed["Parameters"]
        )
        if not is_same:
            self._change(changed)
            self._crawl.updated += 1
            self._log(f"Updated table {old['Name']}")

    def _change(self, table: Shape) -> None:
        members = (
            "Name",
            "Owner",
            "Retention",
            "TableType",
            "StorageDescriptor",
            "PartitionKeys",
            "Parameters",
        )
        given = {key: table[key] for key in (*members, "Description") if key in table}
        self._glue.update_table({"DatabaseName": self._database, "TableInput": given})

    def _add_partitions(self, name: str, found: FoundTable) -> None:
        place = {"DatabaseName": self._database, "TableName": name}
        answer = self._glue.get_partitions({**place, "MaxResults": 10_000_000})
        there = {tuple(one["Values"]): one for one in answer["Partitions"]}
        columns = self._glue.get_table({"DatabaseName": self._database, "Name": name})["Table"]
        inputs = [self._partition_input(one, columns) for one in found.partitions if one.values not in there]
        for start in range(0, len(inputs), _AT_ONCE):
            self._glue.batch_create_partition(
                {**place, "PartitionInputList": inputs[start : start + _AT_ONCE]}
            )
        self._crawl.partitions += len(inputs)
        if inputs:
            self._log(f"Added {len(inputs)} partitions to table {name}")
        location = found.location
        gone = [
            values
            for values, one in there.items()
            if values not in {partition.values for partition in found.partitions}
            and (one.get("StorageDescriptor") or {}).get("Location", "").startswith(location)
        ]
        if gone and self._policies.deletes == "DELETE_FROM_DATABASE":
            self._glue.batch_delete_partition(
                {**place, "PartitionsToDelete": [{"Values": list(values)} for values in gone]}
            )
            self._log(f"Deleted {len(gone)} partitions of table {name}")

    def _partition_input(self, partition: Any, table: Shape) -> Shape:
        folder = partition.folder
        storage = folder.schema.storage(folder.location)
        if self._policies.inherits:
            storage = {**table["StorageDescriptor"], "Location": folder.location}
        parameters = folder.schema.table_parameters(folder.size, len(folder.files), self._crawler["Name"])
        parameters.pop("UPDATED_BY_CRAWLER")
        return {"Values": list(partition.values), "StorageDescriptor": storage, "Parameters": parameters}


def _milliseconds() -> str:
    import time

    return str(int(time.time() * 1000))


def names_of(prefix: str | None, tables: Sequence[FoundTable]) -> set[str]:
    """The names that tables have in the catalog."""
    return {f"{prefix or ''}{one.name}".lower() for one in tables}
