"""Statements that Athena writes otherwise than Trino: properties of CREATE TABLE AS, UNLOAD, OPTIMIZE.

Properties are those of the Athena User Guide, "CREATE TABLE AS" and "UNLOAD", and of Trino's documentation,
"Hive connector" and "Iceberg connector".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from millpond.planes.athena import statements as st
from millpond.planes.athena.exceptions import CATALOG, NotSupported, QueryFailed
from millpond.planes.athena.trino.configuration import ICEBERG
from millpond.planes.athena.types import literal, quote

_FORMATS = {"parquet": "PARQUET", "orc": "ORC", "avro": "AVRO", "json": "JSON", "textfile": "TEXTFILE"}
_CODECS = {
    "": "GZIP",
    "none": "NONE",
    "snappy": "SNAPPY",
    "gzip": "GZIP",
    "zlib": "GZIP",
    "zstd": "ZSTD",
    "lz4": "LZ4",
}
_COMPRESSIONS = ("write_compression", "parquet_compression", "orc_compression", "compression")
_LAYOUT = ("partitioned_by", "bucketed_by", "bucket_count")
_OTHER = {"format", "external_location", "location", "field_delimiter", "table_type", "is_external"}
_ICEBERG = {"format", "location", "partitioning", "table_type", "is_external"}
_FOREIGN = re.compile(
    r"\b(?:FROM|JOIN|INTO|TABLE|UPDATE)\s+\"?(system|" + CATALOG + r"_\w+)\"?\s*\.", re.IGNORECASE
)
_TABLE_FUNCTION = re.compile(r"\b(?:FROM|JOIN|,)\s*TABLE\s*\(", re.IGNORECASE)
_PART = r'"(?:[^"]|"")*"|[A-Za-z_][\w$]*'
_TABLE = re.compile(
    rf"(?:\b(?:FROM|JOIN|INTO|UPDATE)|,)\s*((?:{_PART})(?:\s*\.\s*(?:{_PART}))*)", re.IGNORECASE
)
_QUIET = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Rewritten:
    """A statement as Trino takes it, with the session properties that it needs."""

    sql: str
    session: Mapping[str, str] = field(default_factory=dict)


def check_gate(text: str) -> None:
    """Refuse what Trino has and Athena has not.

    Raises
    ------
    QueryFailed
        If a statement names a catalog of the server's own, or brings functions of its own.
    """
    bare = _QUIET.sub(" ", text)
    if found := _FOREIGN.search(bare):
        raise QueryFailed("CATALOG_NOT_FOUND", f"Catalog '{found[1].lower()}' does not exist", 1, 1)
    if _TABLE_FUNCTION.search(bare):
        raise NotSupported("A table function")
    if re.match(r"\s*WITH\s+FUNCTION\b", bare, re.IGNORECASE):
        raise QueryFailed("SYNTAX_ERROR", "mismatched input 'FUNCTION'", 1, 6)


def refuse_names(text: str, catalogs: Sequence[str]) -> None:
    """Refuse further names of the catalog: the server knows one.

    Raises
    ------
    NotSupported
        If a statement has one of them before a name.
    """
    bare = _QUIET.sub(" ", text)
    for catalog in catalogs:
        if re.search(rf'(?<![\w$"])("{re.escape(catalog)}"|{re.escape(catalog)})\s*\.', bare, re.IGNORECASE):
            raise NotSupported(f"A statement by Trino over the data catalog {catalog}")


def tables_named(text: str, database: str) -> set[tuple[str, str]]:
    """Database and name of whatever may be a table in a statement."""
    found = set()
    for match in _TABLE.finditer(_QUIET.sub(" ", text)):
        parts = [part.strip('"').lower() for part in re.findall(_PART, match[1])]
        found.add((parts[-2] if len(parts) > 1 else database, parts[-1]))
    return found


def create_table_as(statement: st.CreateTableAs, database: str, default_location: str) -> Rewritten:
    """``CREATE TABLE AS`` with the properties that Trino's connectors know.

    Raises
    ------
    NotSupported
        For a property that has no counterpart.
    """
    given = statement.properties
    is_iceberg = str(given.get("table_type", "")).upper() == "ICEBERG"
    known = _ICEBERG if is_iceberg else {*_OTHER, *_LAYOUT, *_COMPRESSIONS}
    if unknown := set(given) - known:
        raise NotSupported(f"The property {min(unknown)} of a table that Trino writes")
    location = str(given.get("external_location") or given.get("location") or default_location)
    if is_iceberg:
        properties = {"location": location.rstrip("/"), "format": _format(given)}
        if given.get("partitioning"):
            properties["partitioning"] = given["partitioning"]
    else:
        properties = {"external_location": location, "format": _format(given)}
        properties |= {name: given[name] for name in _LAYOUT if name in given}
        if "field_delimiter" in given:
            properties["textfile_field_separator"] = given["field_delimiter"]
    exists = "IF NOT EXISTS " if statement.if_not_exists else ""
    table = _name(ICEBERG if is_iceberg else CATALOG, statement.name, database)
    data = "" if statement.has_data else " WITH NO DATA"
    sql = f"CREATE TABLE {exists}{table} WITH ({_written(properties)}) AS {statement.sql}{data}"
    return Rewritten(sql, {} if is_iceberg else _session(given))


def unload(statement: st.Unload, database: str, hidden: str) -> Rewritten:
    """``UNLOAD`` as the making of a table that is there only for its files."""
    given = statement.properties
    if unknown := set(given) - {"format", "compression", "partitioned_by", "field_delimiter"}:
        raise NotSupported(f"The property {min(unknown)} of UNLOAD")
    properties: dict[str, Any] = {"external_location": statement.location, "format": _format(given)}
    if "partitioned_by" in given:
        properties["partitioned_by"] = given["partitioned_by"]
    if "field_delimiter" in given:
        properties["textfile_field_separator"] = given["field_delimiter"]
    table = _name(CATALOG, st.TableName(database, hidden), database)
    return Rewritten(
        f"CREATE TABLE {table} WITH ({_written(properties)}) AS {statement.sql}", _session(given)
    )


def optimize(statement: st.Optimize, database: str) -> Rewritten:
    """``OPTIMIZE … REWRITE DATA`` as Trino's own command."""
    table = _name(CATALOG, statement.name, database)
    condition = f" WHERE {statement.condition}" if statement.condition else ""
    return Rewritten(f"ALTER TABLE {table} EXECUTE optimize{condition}")


def _name(catalog: str, name: st.TableName, database: str) -> str:
    return ".".join(map(quote, (catalog, name.database or database, name.table)))


def _format(given: Mapping[str, Any]) -> str:
    name = str(given.get("format", "parquet")).lower()
    if name not in _FORMATS:
        raise NotSupported(f"The format {given['format']}")
    return _FORMATS[name]


def _session(given: Mapping[str, Any]) -> dict[str, str]:
    wanted = next((str(given[name]).lower() for name in _COMPRESSIONS if name in given), "")
    # Athena: GZIP where nothing is said; text files of it are compressed, too.
    if wanted not in _CODECS:
        raise NotSupported(f"The compression {wanted}")
    return {f"{CATALOG}.compression_codec": _CODECS[wanted]}


def _written(properties: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_value(value)}" for name, value in properties.items())


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"ARRAY[{', '.join(literal(str(item)) for item in value)}]"
    return str(value) if str(value).isdigit() else literal(str(value))
