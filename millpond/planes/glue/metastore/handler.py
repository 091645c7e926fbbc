"""What the metastore answers, from the Glue API, with the credentials of the run that asks.

Some of it is a metastore's own work and not the catalog's: to make the directory of a managed table, to
delete its data when it is dropped, to give a partition its place, and to decide conditions on its keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from millpond.planes.glue.metastore import shapes
from millpond.planes.glue.metastore.filters import FilterError, compile_filter
from millpond.planes.glue.metastore.interface import hive
from millpond.planes.glue.metastore.names import matches, partition_name, partition_values

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

# Limits of BatchCreatePartition and BatchGetPartition (Glue API Reference).
CREATED_AT_ONCE = 100
READ_AT_ONCE = 1000
DEFAULT = "default"
LOCK = 1
ACQUIRED = 1
ALIVE = 2


class Handler:
    """One method for each of the interface.

    Parameters
    ----------
    glue, s3 : client
        Act for the role of the run.
    """

    def __init__(self, glue: GlueClient, s3: S3Client) -> None:
        self._glue: Any = glue
        self._s3 = s3

    # The session: who asks is known from the port.

    def set_ugi(self, _user: str, groups: Sequence[str]) -> list[str]:
        return list(groups or [])

    def shutdown(self) -> None:
        """What a client says that closes its connection; the server goes on."""

    # Databases

    def get_all_databases(self) -> list[str]:
        names = [one["Name"] for one in self._pages("get_databases", "DatabaseList")]
        return names if DEFAULT in names else [DEFAULT, *names]

    def get_databases(self, pattern: str) -> list[str]:
        return [name for name in self.get_all_databases() if matches(pattern)(name)]

    def get_database(self, name: str) -> Any:
        try:
            return shapes.database_from_glue(self._glue.get_database(Name=name)["Database"])
        except self._glue.exceptions.EntityNotFoundException:
            # Spark asks for it before anything else, and cannot do without.
            if name == DEFAULT:
                return hive.Database(name=DEFAULT, description="", locationUri="", parameters={})
            raise

    def create_database(self, database: Any) -> None:
        self._glue.create_database(DatabaseInput=shapes.database_to_glue(database))

    def alter_database(self, name: str, database: Any) -> None:
        self._glue.update_database(Name=name, DatabaseInput=shapes.database_to_glue(database))

    def drop_database(self, name: str, deletes_data: bool, cascades: bool) -> None:
        tables = list(self._tables(name))
        if tables and not cascades:
            raise hive.InvalidOperationException(message=f"Database {name} is not empty.")
        for table in tables:
            self.drop_table(name, table["Name"], deletes_data)
        self._glue.delete_database(Name=name)

    # Tables

    def get_all_tables(self, database: str) -> list[str]:
        return [table["Name"] for table in self._tables(database)]

    def get_tables(self, database: str, pattern: str) -> list[str]:
        return [name for name in self.get_all_tables(database) if matches(pattern)(name)]

    def get_tables_by_type(self, database: str, pattern: str, kind: str) -> list[str]:
        of_kind = (table["Name"] for table in self._tables(database) if table.get("TableType") == kind)
        return [name for name in of_kind if matches(pattern)(name)]

    def get_table(self, database: str, name: str) -> Any:
        return shapes.table_from_glue(self._table(database, name))

    def get_table_objects_by_name(self, database: str, names: Sequence[str]) -> list[Any]:
        wanted = {name.lower() for name in names}
        return [shapes.table_from_glue(one) for one in self._tables(database) if one["Name"] in wanted]

    def create_table(self, table: Any) -> None:
        storage = table.sd
        if storage is not None and not storage.location and table.tableType != "VIRTUAL_VIEW":
            base = self.get_database(table.dbName).locationUri
            storage.location = f"{base.rstrip('/')}/{table.tableName}"
        if storage is not None:
            self._make_directory(storage.location)
        self._glue.create_table(DatabaseName=table.dbName, TableInput=shapes.table_to_glue(table))

    def create_table_with_environment_context(self, table: Any, _context: Any) -> None:
        self.create_table(table)

    def alter_table(self, database: str, name: str, table: Any) -> None:
        if table.tableName.lower() != name.lower():
            raise hive.InvalidOperationException(
                message=f"Table {database}.{name} cannot be renamed: UpdateTable changes no name."
            )
        self._glue.update_table(DatabaseName=database, TableInput=shapes.table_to_glue(table))

    def alter_table_with_environment_context(
        self, database: str, name: str, table: Any, _context: Any
    ) -> None:
        self.alter_table(database, name, table)

    def drop_table(self, database: str, name: str, deletes_data: bool) -> None:
        table = self._table(database, name)
        self._glue.delete_table(DatabaseName=database, Name=name)
        if deletes_data and table.get("TableType") == "MANAGED_TABLE":
            self._delete_directory((table.get("StorageDescriptor") or {}).get("Location"))

    def drop_table_with_environment_context(
        self,
        database: str,
        name: str,
        deletes_data: bool,
        _context: Any,
    ) -> None:
        self.drop_table(database, name, deletes_data)

    # Partitions

    def get_partitions(self, database: str, table: str, most: int) -> list[Any]:
        return self._shaped(database, table, _first(self._partitions(database, table), most))

    def get_partitions_with_auth(
        self, database: str, table: str, most: int, _user: str, _groups: Any
    ) -> list[Any]:
        return self.get_partitions(database, table, most)

    def get_partitions_ps(self, database: str, table: str, values: Sequence[str], most: int) -> list[Any]:
        return self._shaped(database, table, self._like(database, table, values, most))

    def get_partitions_ps_with_auth(
        self, database: str, table: str, values: Sequence[str], most: int, _user: str, _groups: Any
    ) -> list[Any]:
        return self.get_partitions_ps(database, table, values, most)

    def get_partitions_by_filter(self, database: str, table: str, text: str, most: int) -> list[Any]:
        keys = self._table(database, table).get("PartitionKeys") or []
        types = {key["Name"].lower(): key.get("Type", "string").lower() for key in keys}
        try:
            fits = compile_filter(text, types)
        except FilterError as error:
            raise hive.MetaException(message=str(error)) from error
        fitting = (
            partition
            for partition in self._partitions(database, table)
            if fits(dict(zip(types, partition["Values"], strict=True)))
        )
        return self._shaped(database, table, _first(fitting, most))

    def get_partitions_by_names(self, database: str, table: str, names: Sequence[str]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(names), READ_AT_ONCE):
            wanted = [{"Values": partition_values(name)} for name in names[start : start + READ_AT_ONCE]]
            answer = self._glue.batch_get_partition(
                DatabaseName=database, TableName=table, PartitionsToGet=wanted
            )
            found += answer["Partitions"]
        return self._shaped(database, table, found)

    def get_partition(self, database: str, table: str, values: Sequence[str]) -> Any:
        answer = self._glue.get_partition(
            DatabaseName=database, TableName=table, PartitionValues=list(values)
        )
        return shapes.partition_from_glue(answer["Partition"], database, table)

    def get_partition_with_auth(
        self, database: str, table: str, values: Sequence[str], _user: str, _groups: Any
    ) -> Any:
        return self.get_partition(database, table, values)

    def get_partition_names(self, database: str, table: str, most: int) -> list[str]:
        return self._names(database, table, _first(self._partitions(database, table), most))

    def get_partition_names_ps(
        self, database: str, table: str, values: Sequence[str], most: int
    ) -> list[str]:
        return self._names(database, table, self._like(database, table, values, most))

    def add_partitions_req(self, request: Any) -> Any:
        self._add(request.parts, ignores_existing=bool(request.ifNotExists))
        return hive.AddPartitionsResult(partitions=request.parts if request.needResult else None)

    def add_partition(self, partition: Any) -> Any:
        self._add([partition], ignores_existing=False)
        return partition

    def alter_partition(self, database: str, table: str, partition: Any) -> None:
        self.rename_partition(database, table, partition.values, partition)

    def alter_partition_with_environment_context(
        self, database: str, table: str, partition: Any, _context: Any
    ) -> None:
        self.alter_partition(database, table, partition)

    def alter_partitions(self, database: str, table: str, partitions: Sequence[Any]) -> None:
        for partition in partitions:
            self.alter_partition(database, table, partition)

    def alter_partitions_with_environment_context(
        self, database: str, table: str, partitions: Sequence[Any], _context: Any
    ) -> None:
        self.alter_partitions(database, table, partitions)

    def rename_partition(self, database: str, table: str, values: Sequence[str], partition: Any) -> None:
        self._glue.update_partition(
            DatabaseName=database,
            TableName=table,
            PartitionValueList=list(values),
            PartitionInput=shapes.partition_to_glue(partition),
        )

    def drop_partition_with_environment_context(
        self,
        database: str,
        table: str,
        values: Sequence[str],
        deletes_data: bool,
        _context: Any,
    ) -> bool:
        is_managed = self._table(database, table).get("TableType") == "MANAGED_TABLE"
        place = self.get_partition(database, table, values).sd.location
        self._glue.delete_partition(DatabaseName=database, TableName=table, PartitionValues=list(values))
        if deletes_data and is_managed:
            self._delete_directory(place)
        return True

    # Functions: Spark has its own; the catalog's are looked up by name.

    def get_functions(self, database: str, pattern: str) -> list[str]:
        functions = self._pages(
            "get_user_defined_functions", "UserDefinedFunctions", DatabaseName=database, Pattern="*"
        )
        return [one["FunctionName"] for one in functions if matches(pattern)(one["FunctionName"])]

    def get_function(self, database: str, name: str) -> Any:
        raise hive.NoSuchObjectException(message=f"Function {database}.{name} does not exist.")

    def create_function(self, function: Any) -> None:
        raise hive.MetaException(
            message=f"CREATE FUNCTION {function.functionName} is not available in Millpond: the Data Catalog "
            "keeps no function here. CREATE TEMPORARY FUNCTION makes one for the session."
        )

    def drop_function(self, database: str, name: str) -> None:
        raise hive.NoSuchObjectException(message=f"Function {database}.{name} does not exist.")

    # Locks: a commit is decided by the catalog, not by a lock, so each is given at once.

    def lock(self, _request: Any) -> Any:
        return hive.LockResponse(lockid=LOCK, state=ACQUIRED)

    def check_lock(self, _request: Any) -> Any:
        return hive.LockResponse(lockid=LOCK, state=ACQUIRED)

    def unlock(self, _request: Any) -> None:
        """Nothing holds it."""

    def heartbeat(self, _request: Any) -> None:
        """Nothing expires."""

    def show_locks(self, _request: Any) -> Any:
        return hive.ShowLocksResponse(locks=[])

    # How it is done

    def _pages(self, operation: str, member: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        for page in self._glue.get_paginator(operation).paginate(**arguments):
            yield from page[member]

    def _tables(self, database: str) -> Iterator[dict[str, Any]]:
        return self._pages("get_tables", "TableList", DatabaseName=database)

    def _table(self, database: str, name: str) -> dict[str, Any]:
        table: dict[str, Any] = self._glue.get_table(DatabaseName=database, Name=name)["Table"]
        return table

    def _partitions(self, database: str, table: str) -> Iterator[dict[str, Any]]:
        return self._pages("get_partitions", "Partitions", DatabaseName=database, TableName=table)

    def _like(self, database: str, table: str, values: Sequence[str], most: int) -> list[dict[str, Any]]:
        """Partitions with these values, of which an empty one fits all."""
        fitting = (
            partition
            for partition in self._partitions(database, table)
            if all(wanted in ("", value) for wanted, value in zip(values, partition["Values"], strict=False))
        )
        return _first(fitting, most)

    def _names(self, database: str, table: str, partitions: Sequence[dict[str, Any]]) -> list[str]:
        keys = [key["Name"] for key in self._table(database, table).get("PartitionKeys") or []]
        return [partition_name(keys, partition["Values"]) for partition in partitions]

    def _shaped(self, database: str, table: str, partitions: Sequence[dict[str, Any]]) -> list[Any]:
        return [shapes.partition_from_glue(partition, database, table) for partition in partitions]

    def _add(self, partitions: Sequence[Any], *, ignores_existing: bool) -> None:
        if not partitions:
            return
        database, name = partitions[0].dbName, partitions[0].tableName
        table = self._table(database, name)
        keys = [key["Name"] for key in table.get("PartitionKeys") or []]
        for partition in partitions:
            if partition.sd is not None and not partition.sd.location:
                base = table["StorageDescriptor"]["Location"].rstrip("/")
                partition.sd.location = f"{base}/{partition_name(keys, partition.values)}"
        for start in range(0, len(partitions), CREATED_AT_ONCE):
            answer = self._glue.batch_create_partition(
                DatabaseName=database,
                TableName=name,
                PartitionInputList=[
                    shapes.partition_to_glue(one) for one in partitions[start : start + CREATED_AT_ONCE]
                ],
            )
            for error in answer.get("Errors") or []:
                _refuse(error["ErrorDetail"], ignores_existing=ignores_existing)

    def _make_directory(self, location: str | None) -> None:
        """An object for the directory: without it Spark says that the path of an empty table is missing."""
        if (place := _place(location)) is None:
            return
        bucket, prefix = place
        if not self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount"):
            self._s3.put_object(Bucket=bucket, Key=prefix)

    def _delete_directory(self, location: str | None) -> None:
        if (place := _place(location)) is None:
            return
        bucket, prefix = place
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            keys = [{"Key": one["Key"]} for one in page.get("Contents", [])]
            if keys:
                self._s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})  # type: ignore[typeddict-item]


def _place(location: str | None) -> tuple[str, str] | None:
    """Bucket and prefix of a location; None for one that is not in S3, or is a whole bucket."""
    scheme, _, path = (location or "").partition("://")
    bucket, _, key = path.partition("/")
    if scheme not in ("s3", "s3a", "s3n") or not key.strip("/"):
        return None
    return bucket, f"{key.strip('/')}/"


def _first(partitions: Iterator[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """At most so many; all where the number is negative."""
    found = list(partitions)
    return found if most is None or most < 0 else found[:most]


def _refuse(detail: dict[str, str], *, ignores_existing: bool) -> None:
    message = detail.get("ErrorMessage", detail["ErrorCode"])
    if detail["ErrorCode"] != "AlreadyExistsException":
        raise hive.MetaException(message=message)
    if not ignores_existing:
        raise hive.AlreadyExistsException(message=message)
