"""The formats in which a statement writes files: Parquet, delimited text, and lines of JSON.

"CREATE TABLE AS", "UNLOAD" and "INSERT INTO" of the Athena User Guide; text is what LazySimpleSerDe reads.
"""

# ruff: noqa: S608 - writing SQL is what this module is for; names and texts in it are quoted

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from millpond.planes.athena.casts import bound, cast
from millpond.planes.athena.exceptions import NotSupported
from millpond.planes.athena.relations import Typed
from millpond.planes.athena.texts import null_text, separator
from millpond.planes.athena.types import VARCHAR, Type, literal, quote, row

Columns = Sequence[tuple[str, Type]]
"""The name and the type of each column of what is written."""

_PARQUET = {"": "snappy", "snappy": "snappy", "gzip": "gzip", "zstd": "zstd", "none": "uncompressed"}
_TEXT = {"": "gzip", "gzip": "gzip", "zstd": "zstd", "none": "none"}
_SUFFIXES = {"gzip": ".gz", "zstd": ".zst", "none": ""}
_HIVE = "org.apache.hadoop.hive.ql.io."
_TEXT_FILES = {
    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
    "OutputFormat": f"{_HIVE}HiveIgnoreKeyTextOutputFormat",
}
_LAZY = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
_OBJECTS = "org.openx.data.jsonserde.JsonSerDe"


@dataclass(frozen=True)
class FileFormat:
    """How rows become files.

    Parameters
    ----------
    storage : mapping
        ``InputFormat``, ``OutputFormat`` and ``SerdeInfo`` of a table of such files.
    codecs : mapping
        DuckDB's name of each compression; the empty name is what holds unless one is given.
    line : callable, optional
        SQL of the line that a row is; columns of their own where there is none.
    """

    storage: Mapping[str, Any]
    codecs: Mapping[str, str]
    line: Callable[[Columns], str] | None = field(default=None)

    def copied(
        self, sql: str, columns: Columns, keys: Sequence[str], compression: str
    ) -> tuple[str, str, str]:
        """The query, the options of ``COPY`` and the end of the files' names.

        Raises
        ------
        NotSupported
            If there is no such compression here, or a value of some type cannot be written.
        """
        codec = self.codecs.get(compression.lower())
        if codec is None:
            raise NotSupported(f"The compression {compression}")
        if self.line is None:
            return sql, f"FORMAT parquet, COMPRESSION {codec}", ".parquet"
        written = self.line([(name, type_) for name, type_ in columns if name not in keys])
        listed = ", ".join([f"{written} AS line", *map(quote, keys)])
        # A file of one column without quotes is its lines as they are.
        options = "FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER ','"
        return f"SELECT {listed} FROM ({sql})", f"{options}, COMPRESSION {codec}", _SUFFIXES[codec]


PARQUET = FileFormat(
    {
        "InputFormat": f"{_HIVE}parquet.MapredParquetInputFormat",
        "OutputFormat": f"{_HIVE}parquet.MapredParquetOutputFormat",
        "SerdeInfo": {
            "SerializationLibrary": f"{_HIVE}parquet.serde.ParquetHiveSerDe",
            "Parameters": {"serialization.format": "1"},
        },
    },
    _PARQUET,
)


def _json_line(columns: Columns) -> str:
    """A row as an object of JSON; what JSON has no form for is refused."""
    for name, type_ in columns:
        if not _is_plain(type_):
            raise NotSupported(f"The column {name} of type {type_} in a file of JSON")
    packed = ", ".join(f"{quote(name)} := {quote(name)}" for name, _ in columns)
    type_ = row([type_ for _, type_ in columns], [name for name, _ in columns])
    return cast(Typed(f"struct_pack({packed})", type_), Type("json")).sql


def _is_plain(type_: Type) -> bool:
    if type_.elements:
        return all(map(_is_plain, type_.elements))
    return type_.is_numeric or type_.name in ("boolean", "varchar", "date")


JSON = FileFormat(
    {
        **_TEXT_FILES,
        "SerdeInfo": {"SerializationLibrary": _OBJECTS, "Parameters": {"serialization.format": "1"}},
    },
    _TEXT,
    _json_line,
)


def delimited_text(options: Mapping[str, str]) -> FileFormat:
    """The text that LazySimpleSerDe writes with some ``SERDEPROPERTIES``."""
    if options.get("escape.delim"):
        raise NotSupported("Writing a text table with escapes")

    def line(columns: Columns) -> str:
        values = [_or_null(_text(Typed(quote(name), type_), options, 1), options) for name, type_ in columns]
        return f" || {literal(separator(options, 0))} || ".join(values)

    serde = {"SerializationLibrary": _LAZY, "Parameters": dict(options)}
    return FileFormat({**_TEXT_FILES, "SerdeInfo": serde}, _TEXT, line)


def file_format(properties: Mapping[str, Any]) -> FileFormat:
    """The format that the properties of CREATE TABLE AS or UNLOAD name.

    Raises
    ------
    NotSupported
        If nothing here writes it.
    """
    name = str(properties.get("format", "parquet")).lower()
    if name == "parquet":
        return PARQUET
    if name == "json":
        return JSON
    if name == "textfile":
        sign = str(properties.get("field_delimiter", "\x01"))
        return delimited_text({"field.delim": sign, "serialization.format": sign})
    raise NotSupported(f"The format {properties['format']}")


def format_of(storage: Mapping[str, Any]) -> FileFormat:
    """The format of a table's files.

    Raises
    ------
    NotSupported
        If nothing here writes it.
    """
    serde = storage.get("SerdeInfo") or {}
    library = str(serde.get("SerializationLibrary", "")).lower()
    if "parquet" in str(storage.get("InputFormat", "")).lower():
        return PARQUET
    if "lazysimple" in library:
        return delimited_text(serde.get("Parameters") or {})
    if "json" in library and not set(serde.get("Parameters") or {}) - {"serialization.format"}:
        return JSON
    raise NotSupported("INSERT INTO a table that is neither Parquet nor plain text")


def _or_null(sql: str, options: Mapping[str, str]) -> str:
    return f"coalesce({sql}, {literal(null_text(options))})"


def _text(value: Typed, options: Mapping[str, str], level: int) -> str:
    """SQL of a value's text; what is nested is parted by the sign of its level."""
    type_ = value.type
    sign = literal(separator(options, level)) if type_.elements else ""
    if type_.name == "array":
        item = Typed(f"w{level}", type_.elements[0], is_atomic=True)
        inner = _or_null(_text(item, options, level + 1), options)
        return f"array_to_string(list_transform({value.sql}, lambda {item.sql}: {inner}), {sign})"
    if type_.name == "map":
        entry, between = f"w{level}", literal(separator(options, level + 1))
        sides = [
            _or_null(_text(Typed(f"{entry}.{part}", of, is_atomic=True), options, level + 2), options)
            for part, of in zip(("key", "value"), type_.elements, strict=True)
        ]
        inner = f"{sides[0]} || {between} || {sides[1]}"
        return f"array_to_string(list_transform(map_entries({value.sql}), lambda {entry}: {inner}), {sign})"
    if type_.name == "row":

        def fields(name: str) -> str:
            parts = [
                Typed(f"({name}).{quote(one)}", of, is_atomic=True)
                for one, of in zip(type_.field_names, type_.elements, strict=True)
            ]
            texts = (_or_null(_text(part, options, level + 1), options) for part in parts)
            return f"CASE WHEN {name} IS NULL THEN NULL ELSE {f' || {sign} || '.join(texts)} END"

        return bound(value.sql, fields, is_atomic=True)
    if type_.name == "varbinary":
        return f"to_base64({value.sql})"
    if type_.name == "timestamp":
        raise NotSupported("A timestamp in a file of text")
    return cast(value, VARCHAR).sql
