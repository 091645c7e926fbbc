"""Tables of the Data Catalog, as sources and sinks need them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence

from pyspark.sql import functions as F  # noqa: N812

from awsglue import _columns, _paths, _schema
from awsglue import gluetypes as glue

# The value of a partition key that is null, as Hive writes it.
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Partition:
    """A partition: its values in the order of the keys, and where it is."""

    values: Sequence[str]
    location: str


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    shape : mapping
        ``Table`` of the API.
    """

    shape: Mapping[str, Any]

    @property
    def parameters(self) -> Dict[str, str]:
        """The parameters of the storage descriptor, overridden by the table's own."""
        storage = self.shape.get("StorageDescriptor") or {}
        return {**(storage.get("Parameters") or {}), **(self.shape.get("Parameters") or {})}

    @property
    def location(self) -> str:
        """Where it is; empty when it says nothing."""
        return str((self.shape.get("StorageDescriptor") or {}).get("Location") or "")

    @property
    def serde(self) -> Mapping[str, Any]:
        """``SerdeInfo``."""
        return (self.shape.get("StorageDescriptor") or {}).get("SerdeInfo") or {}

    @property
    def columns(self) -> glue.StructType:
        """The columns, without the partition keys."""
        return _struct((self.shape.get("StorageDescriptor") or {}).get("Columns") or ())

    @property
    def partition_keys(self) -> glue.StructType:
        """The partition keys."""
        return _struct(self.shape.get("PartitionKeys") or ())

    @property
    def classification(self) -> str:
        """The format or the kind of database, by ``classification`` or by what reads it."""
        named = self.parameters.get("classification", "")
        if self.parameters.get("table_type", "").upper() == "ICEBERG":
            return "iceberg"
        if self.parameters.get("spark.sql.sources.provider", "").lower() in ("delta", "hudi"):
            return self.parameters["spark.sql.sources.provider"].lower()
        if named and named.lower() != "unknown":
            return named.lower()
        library = str(self.serde.get("SerializationLibrary") or "").lower()
        for part, name in _BY_LIBRARY:
            if part in library:
                return name
        return ""


_BY_LIBRARY = (
    ("parquet", "parquet"),
    ("orc", "orc"),
    ("avro", "avro"),
    ("json", "json"),
    ("csv", "csv"),
    ("lazysimple", "csv"),
    ("grok", "groklog"),
    ("xml", "xml"),
)


def _struct(columns: Sequence[Mapping[str, Any]]) -> glue.StructType:
    return glue.StructType(
        [
            glue.Field(column["Name"], _schema.parse(column.get("Type") or "string") or glue.UnknownType())
            for column in columns
        ]
    )


@dataclass
class Catalog:
    """The Data Catalog over its API.

    Parameters
    ----------
    session : SparkSession
        Evaluates predicates.
    """

    session: Any
    _client: Any = field(default=None)

    @property
    def client(self) -> Any:
        """The boto3 client."""
        if self._client is None:
            import boto3

            self._client = boto3.client("glue")
        return self._client

    def table(self, database: str, name: str, catalog_id: Optional[str] = None) -> Table:
        """GetTable; the Data Catalog keeps names in small letters."""
        catalog = {"CatalogId": catalog_id} if catalog_id else {}
        answer = self.client.get_table(DatabaseName=database.lower(), Name=name.lower(), **catalog)
        return Table(answer["Table"])

    def find(self, database: str, name: str, catalog_id: Optional[str] = None) -> Optional[Table]:
        """The table, or ``None``."""
        try:
            return self.table(database, name, catalog_id)
        except self.client.exceptions.EntityNotFoundException:
            return None

    def schema(self, database: str, name: str, catalog_id: Optional[str] = None) -> glue.StructType:
        """Columns and partition keys of a table."""
        table = self.table(database, name, catalog_id)
        return glue.StructType([*table.columns, *table.partition_keys])

    def partitions(
        self,
        database: str,
        table: Table,
        *,
        push_down_predicate: str = "",
        expression: str = "",
        catalog_id: Optional[str] = None,
    ) -> List[Partition]:
        """The partitions of a table.

        Parameters
        ----------
        database : str
        table : Table
        push_down_predicate : str
            A condition of Spark SQL over the keys, evaluated here.
        expression : str
            A condition that the Data Catalog itself evaluates (``catalogPartitionPredicate``).
        catalog_id : str, optional
        """
        options: Dict[str, Any] = {"CatalogId": catalog_id} if catalog_id else {}
        if expression:
            options["Expression"] = expression
        pages = self.client.get_paginator("get_partitions").paginate(
            DatabaseName=database, TableName=table.shape["Name"], ExcludeColumnSchema=True, **options
        )
        partitions = [
            Partition(partition["Values"], partition["StorageDescriptor"]["Location"])
            for page in pages
            for partition in page["Partitions"]
        ]
        if not push_down_predicate.strip() or not partitions:
            return partitions
        return self._matching(partitions, table.partition_keys, push_down_predicate)

    def _matching(
        self, partitions: Sequence[Partition], keys: glue.StructType, predicate: str
    ) -> List[Partition]:
        names = [key.name for key in keys]
        numbered = [
            (number, *(None if value == NULL_PARTITION else value for value in partition.values))
            for number, partition in enumerate(partitions)
        ]
        columns = ", ".join(["`__number` int", *(f"{_paths.quote(name)} string" for name in names)])
        texts = self.session.createDataFrame(numbered, columns)
        text = glue.StringType()
        typed = texts.select(
            "__number",
            *(
                _columns.cast(F.col(_paths.quote(key.name)), text, key.dataType).alias(key.name)
                for key in keys
            ),
        )
        kept = {row[0] for row in typed.filter(predicate).select("__number").collect()}
        return [partition for number, partition in enumerate(partitions) if number in kept]

    def connection(self, name: str) -> Dict[str, Any]:
        """``Connection`` of the API, with its password."""
        connection: Dict[str, Any] = self.client.get_connection(Name=name, HidePassword=False)["Connection"]
        return connection
