"""What a file is: its classification, its columns, and how a table reads it.

The SerDes, formats and parameters are those that AWS's crawlers write ("Built-in classifiers" in the Glue
Developer Guide).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Shape = dict[str, Any]
Column = tuple[str, str]

_TEXT_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
_TEXT_OUTPUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
_FORMATS: Mapping[str, tuple[str, str, str]] = {
    "csv": (_TEXT_INPUT, _TEXT_OUTPUT, "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"),
    "json": (_TEXT_INPUT, _TEXT_OUTPUT, "org.openx.data.jsonserde.JsonSerDe"),
    "parquet": (
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    ),
    "orc": (
        "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
        "org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat",
        "org.apache.hadoop.hive.ql.io.orc.OrcSerde",
    ),
    "avro": (
        "org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat",
        "org.apache.hadoop.hive.ql.io.avro.AvroContainerOutputFormat",
        "org.apache.hadoop.hive.serde2.avro.AvroSerDe",
    ),
    "grok": (_TEXT_INPUT, _TEXT_OUTPUT, "com.amazonaws.glue.serde.GrokSerDe"),
    "xml": ("com.databricks.spark.xml", _TEXT_OUTPUT, ""),
    "unknown": ("", "", ""),
}
# A schema is like another if most columns of the smaller one are in the larger one by name.
_LIKE = 0.7


@dataclass(frozen=True)
class FileSchema:
    """What was found in a file.

    Parameters
    ----------
    classification : str
        For example ``csv``; a custom classifier's own for grok.
    columns : tuple of (str, str)
        Names in lower case and Hive's types.
    format : str
        Which of the formats reads it.
    serde : dict
        Parameters of the SerDe.
    parameters : dict
        Further ones of the table.
    records : int
        In the part that was read.
    bytes_read : int
        Its length, uncompressed.
    compression : str
        ``none``, ``gzip``, ``bzip2``, ``snappy`` or ``zstd``.
    """

    classification: str
    columns: tuple[Column, ...]
    format: str
    serde: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    records: int = 0
    bytes_read: int = 0
    compression: str = "none"
    serde_library: str = ""

    def is_like(self, other: FileSchema) -> bool:
        """Whether both can be files of one table."""
        if (self.classification, self.format) != (other.classification, other.format):
            return False
        if self.classification == "unknown":
            return False
        own, others = {name for name, _ in self.columns}, {name for name, _ in other.columns}
        fewer = min(len(own), len(others))
        return bool(fewer) and len(own & others) / fewer >= _LIKE

    def storage(self, location: str) -> Shape:
        """The ``StorageDescriptor`` of a table or partition at a place in S3."""
        reads, writes, serde = _FORMATS[self.format]
        parameters = {"serialization.format": "1"} if self.format in ("parquet", "orc", "avro") else {}
        info = {"Parameters": {**parameters, **self.serde}}
        if serde:
            info["SerializationLibrary"] = self.serde_library or serde  # type: ignore[assignment]
        return {
            "Columns": [{"Name": name, "Type": kind} for name, kind in self.columns],
            "Location": location,
            **({"InputFormat": reads, "OutputFormat": writes} if reads else {}),
            "Compressed": self.compression != "none",
            "NumberOfBuckets": -1,
            "SerdeInfo": info,
            "BucketColumns": [],
            "SortColumns": [],
            "StoredAsSubDirectories": False,
        }

    def table_parameters(self, size: int, objects: int, crawler: str) -> dict[str, str]:
        """The parameters that a crawler leaves at a table or partition of that many bytes and objects."""
        average = max(1, self.bytes_read // self.records) if self.records else 0
        return {
            "CrawlerSchemaDeserializerVersion": "1.0",
            "CrawlerSchemaSerializerVersion": "1.0",
            "UPDATED_BY_CRAWLER": crawler,
            "averageRecordSize": str(average),
            "classification": self.classification,
            "compressionType": self.compression,
            "objectCount": str(objects),
            "recordCount": str(self.records if size <= self.bytes_read else size // max(1, average)),
            "sizeKey": str(size),
            "typeOfData": "file",
            **self.parameters,
        }


def merged(first: FileSchema, second: FileSchema) -> FileSchema:
    """The schema of a table with files of both."""
    kinds = dict(first.columns)
    for name, kind in second.columns:
        kinds[name] = wider(kinds[name], kind) if name in kinds else kind
    serde = dict(first.serde)
    if "paths" in serde:
        serde["paths"] = ",".join(kinds)
    return FileSchema(
        first.classification,
        tuple(kinds.items()),
        first.format,
        serde,
        first.parameters,
        first.records + second.records,
        first.bytes_read + second.bytes_read,
        first.compression,
        first.serde_library,
    )


_NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double")


def wider(first: str, second: str) -> str:
    """A type that holds the values of both.

    Examples
    --------
    >>> wider("int", "double"), wider("int", "boolean"), wider("struct<a:int>", "struct<b:string>")
    ('double', 'string', 'struct<a:int,b:string>')
    """
    from millpond.planes.glue.hive_types import parse_type

    if first == second:
        return first
    if first in _NUMBERS and second in _NUMBERS:
        return max(first, second, key=_NUMBERS.index)
    if "" in (first, second):
        return first or second
    if first.startswith("struct<") and second.startswith("struct<"):
        fields = {name: str(kind) for name, kind in parse_type(first).parts}
        for name, kind in parse_type(second).parts:
            fields[name] = wider(fields[name], str(kind)) if name in fields else str(kind)
        return f"struct<{','.join(f'{name}:{kind}' for name, kind in fields.items())}>"
    if first.startswith("array<") and second.startswith("array<"):
        return f"array<{wider(first[6:-1], second[6:-1])}>"
    return "string"
