"""What a sink that updates the Data Catalog says to it."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence
from urllib.parse import unquote

from awsglue import _files, _schema
from awsglue import gluetypes as glue
from awsglue._catalog import Catalog, Table

_HIVE = "org.apache.hadoop.hive.ql.io"
_TEXT = ("org.apache.hadoop.mapred.TextInputFormat", f"{_HIVE}.HiveIgnoreKeyTextOutputFormat")
# Input format, output format and library of each classification.
_STORAGE: Mapping[str, Sequence[str]] = {
    "avro": (
        f"{_HIVE}.avro.AvroContainerInputFormat",
        f"{_HIVE}.avro.AvroContainerOutputFormat",
        "org.apache.hadoop.hive.serde2.avro.AvroSerDe",
    ),
    "csv": (*_TEXT, "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"),
    "json": (*_TEXT, "org.openx.data.jsonserde.JsonSerDe"),
    "orc": (f"{_HIVE}.orc.OrcInputFormat", f"{_HIVE}.orc.OrcOutputFormat", f"{_HIVE}.orc.OrcSerde"),
    "parquet": (
        f"{_HIVE}.parquet.MapredParquetInputFormat",
        f"{_HIVE}.parquet.MapredParquetOutputFormat",
        f"{_HIVE}.parquet.serde.ParquetHiveSerDe",
    ),
}
_BATCH = 100
# What UpdateTable takes of a Table.
_INPUT = (
    "Name",
    "Description",
    "Owner",
    "LastAccessTime",
    "LastAnalyzedTime",
    "Retention",
    "StorageDescriptor",
    "PartitionKeys",
    "ViewOriginalText",
    "ViewExpandedText",
    "TableType",
    "Parameters",
    "TargetTable",
)


def columns_of(schema: glue.StructType, keys: Sequence[str]) -> List[Dict[str, str]]:
    """The columns of a table for records: all fields but the partition keys, names in small letters."""
    return [
        {"Name": field.name.lower(), "Type": _schema.catalog_name(field.dataType)}
        for field in schema
        if field.name not in keys
    ]


def table_input(
    name: str,
    location: str,
    schema: glue.StructType,
    keys: Sequence[str],
    form: str,
    format_options: Mapping[str, Any],
) -> Dict[str, Any]:
    """``TableInput`` for records that are written below a path.

    Parameters
    ----------
    name, location : str
    schema : StructType
        Of the records.
    keys : sequence of str
        The partition keys.
    form : str
        One of ``json``, ``csv``, ``avro``, ``orc``, ``parquet``, ``glueparquet``.
    format_options : mapping
    """
    classification = "parquet" if form == "glueparquet" else form
    reads, writes, library = _STORAGE[classification]
    parameters = {"classification": classification}
    serde: Dict[str, str] = {"serialization.format": "1"}
    if classification == "csv":
        separator = str(format_options.get("separator", ","))
        serde = {"field.delim": separator, "serialization.format": separator}
        parameters["delimiter"] = separator
        if str(format_options.get("writeHeader", True)).lower() == "true":
            parameters["skip.header.line.count"] = "1"
    if form == "glueparquet":
        parameters["useGlueParquetWriter"] = "true"
    by_name = {field.name: field.dataType for field in schema}
    return {
        "Name": name.lower(),
        "TableType": "EXTERNAL_TABLE",
        "Parameters": parameters,
        "PartitionKeys": [
            {"Name": key.lower(), "Type": _schema.catalog_name(by_name.get(key, glue.StringType()))}
            for key in keys
        ],
        "StorageDescriptor": {
            "Columns": columns_of(schema, keys),
            "Location": location.rstrip("/") + "/",
            "InputFormat": reads,
            "OutputFormat": writes,
            "SerdeInfo": {"SerializationLibrary": library, "Parameters": serde},
            "Compressed": False,
            "StoredAsSubDirectories": False,
        },
    }


def check_keys(table: Table, keys: Sequence[str]) -> None:
    """Refuse partition keys that are not the table's, in its order.

    Raises
    ------
    ValueError
        As the Glue Developer Guide restricts it.
    """
    own = [key.name for key in table.partition_keys]
    if [key.lower() for key in keys] != [name.lower() for name in own]:
        raise ValueError(f"partitionKeys are {list(keys)}, those of table {table.shape['Name']} are {own}")


def update(
    catalog: Catalog,
    database: str,
    table: Table,
    schema: glue.StructType,
    keys: Sequence[str],
    behavior: str,
) -> bool:
    """Give a table the columns of the records, unless ``updateBehavior`` is ``LOG``.

    Parameters
    ----------
    catalog : Catalog
    database : str
    table : Table
    schema : StructType
    keys : sequence of str
    behavior : str
        ``UPDATE_IN_DATABASE`` or ``LOG``.

    Returns
    -------
    bool
        Whether partitions may be added: with ``LOG``, not when the records have other columns.
    """
    wanted = columns_of(schema, keys)
    own = list(table.shape["StorageDescriptor"]["Columns"])
    have = {column["Name"].lower(): column.get("Type", "") for column in own}
    if behavior.upper() == "LOG":
        return all(have.get(column["Name"]) == column["Type"] for column in wanted)
    if behavior.upper() != "UPDATE_IN_DATABASE":
        raise ValueError(f"updateBehavior is UPDATE_IN_DATABASE or LOG, not {behavior}")
    if wanted and wanted != [{"Name": column["Name"], "Type": column.get("Type", "")} for column in own]:
        shape = {name: value for name, value in table.shape.items() if name in _INPUT}
        shape["StorageDescriptor"] = {**shape["StorageDescriptor"], "Columns": wanted}
        catalog.client.update_table(DatabaseName=database, TableInput=shape)
    return True


def partitions_of(location: str, keys: Sequence[str], files: Sequence[_files.File]) -> Dict[str, List[str]]:
    """The partitions that files are in: values by location."""
    base = location.rstrip("/") + "/"
    partitions: Dict[str, List[str]] = {}
    for file in files:
        parts = file.path[len(base) :].split("/")[:-1]
        if len(parts) == len(keys):
            partitions[base + "/".join(parts) + "/"] = [unquote(part.partition("=")[2]) for part in parts]
    return partitions


def add_partitions(
    catalog: Catalog, database: str, table: Table, partitions: Mapping[str, List[str]]
) -> None:
    """Make the partitions that the Data Catalog does not have.

    Raises
    ------
    RuntimeError
        If the Data Catalog refuses one.
    """
    storage = dict(table.shape["StorageDescriptor"])
    inputs = [
        {"Values": values, "StorageDescriptor": {**storage, "Location": place}}
        for place, values in partitions.items()
    ]
    for start in range(0, len(inputs), _BATCH):
        answer = catalog.client.batch_create_partition(
            DatabaseName=database,
            TableName=table.shape["Name"],
            PartitionInputList=inputs[start : start + _BATCH],
        )
        for error in answer.get("Errors") or ():
            detail = error.get("ErrorDetail") or {}
            if detail.get("ErrorCode") != "AlreadyExistsException":
                raise RuntimeError(
                    f"partition {error.get('PartitionValues')} of {database}.{table.shape['Name']}: {detail}"
                )
