"""Files as records: one scan of files that lie alike and are of one format."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from pyspark.sql import functions as F  # noqa: N812

from awsglue import _columns, _paths, _schema
from awsglue import gluetypes as glue
from awsglue._content import Content

_INFERENCE = "spark.sql.sources.partitionColumnTypeInference.enabled"


@dataclass(frozen=True)
class Scan:
    """Files to read.

    Parameters
    ----------
    session : SparkSession
    paths : sequence of str
        Files, or directories of which all files count.
    base : str
        Above the directories whose names are partition values; empty when there are none.
    keys : StructType
        The partition keys: those in the names of directories, and those of ``constants``.
    constants : mapping
        Partition values that are not in the names of directories.
    columns : StructType, optional
        What the Data Catalog says of the records.
    """

    session: Any
    paths: Sequence[str]
    base: str = ""
    keys: glue.StructType = field(default_factory=glue.StructType)
    constants: Mapping[str, Optional[str]] = field(default_factory=dict)
    columns: Optional[glue.StructType] = None

    def reader(self, **options: Any) -> Any:
        """A ``DataFrameReader`` for the files."""
        reader = self.session.read
        if self.base:
            reader = reader.option("basePath", self.base)
        for name, value in options.items():
            if value is not None:
                reader = reader.option(name, value)
        return reader

    def load(self, reader: Any, form: str) -> Any:
        """Load the files; keys in the names of directories are texts, as they are there."""
        with _texts_of_partitions(self.session):
            return reader.format(form).load(list(self.paths))

    def key_fields(self) -> List[glue.Field]:
        """The keys that are in the names of directories, as the texts they are there."""
        return [
            glue.Field(key.name, glue.StringType()) for key in self.keys if key.name not in self.constants
        ]

    def with_keys(self, content: Content) -> Content:
        """The records with the partition keys at their end, in the types of the Data Catalog."""
        if not self.keys.fields:
            return content
        parts_by_name = {name.lower(): (column, kind) for name, column, kind in content.parts()}
        names = {key.name.lower() for key in self.keys}
        raw = dict(content.pending)
        parts = [part for part in _raw_parts(content) if part[0].lower() not in names]
        for key in self.keys:
            if key.name in self.constants:
                column, kind = F.lit(self.constants[key.name]).cast("string"), glue.StringType()
            else:
                column, kind = parts_by_name[key.name.lower()]  # type: ignore[assignment]
            parts.append((key.name, _columns.cast(column, kind, key.dataType), key.dataType))
        selected = content.select(parts)
        return Content(selected.df, selected.schema, raw, content.errors)


def _raw_parts(content: Content) -> List[Any]:
    return [(field.name, F.col(_paths.quote(field.name)), field.dataType) for field in content.schema]


@contextmanager
def _texts_of_partitions(session: Any) -> Iterator[None]:
    before = session.conf.get(_INFERENCE, "true")
    # Inferred, month=01 would be the number 1.
    session.conf.set(_INFERENCE, "false")
    try:
        yield
    finally:
        session.conf.set(_INFERENCE, before)


def empty(session: Any) -> Content:
    """No records, and no fields: what a frame of no files is."""
    return Content.of(session.createDataFrame([], _schema.struct_to_spark(glue.StructType())))


def flag(options: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """An option that is a Boolean or the text of one."""
    value = options.get(name, default)
    return value.strip().lower() == "true" if isinstance(value, str) else bool(value)


def spark_options(options: Mapping[str, Any], known: Sequence[str]) -> Dict[str, Any]:
    """The options that are Spark's: all but those that are Glue's own."""
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in options.items()
        if name not in known and isinstance(value, (str, int, float, bool))
    }
