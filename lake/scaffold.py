"""Write ``fixtures/``: what DynamoDB is told of each source table, read from the database's own catalog.

``fixtures/choices.json`` holds what a person decides (mode, engine, split, partitions); all else
follows from the catalog. Run ``python -m lake.scaffold`` with the database up after the schema or
the choices changed.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from millpond.base.config import CHECKOUT, load_settings
from millpond.base.errors import MillpondError
from millpond.stack.onprem import OnPremDatabase

FIXTURES = CHECKOUT / "fixtures"
SCHEMAS = ("erp", "tpch")
MAX_DECIMAL_PRECISION = 38
MAX_CHAR_LENGTH = 255

_DEFAULTS: dict[str, Any] = {
    "engine": "auto",
    "load_mode": "full",
    "watermark_column": None,
    "split_column": None,
    "split_partitions": 1,
    "fetch_size": 10000,
    "watermark_overlap": None,
    "change_operation_column": None,
    "change_sequence_column": None,
    "include_columns": None,
    "column_actions": {},
    "filter": None,
    "quality_rules": [],
    "quality_max_rejected": 0,
    "schema_policy": "additive",
    "schedule": None,
    "freshness_minutes": None,
    "urgent": False,
}

_PLAIN_TYPES = {
    "smallint": "smallint",
    "integer": "int",
    "bigint": "bigint",
    "numeric": "string",
    "real": "float",
    "double precision": "double",
    "boolean": "boolean",
    "text": "string",
    "character varying": "string",
    "character": "string",
    "bpchar": "string",
    "uuid": "string",
    "json": "string",
    "jsonb": "string",
    "date": "date",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "time without time zone": "string",
    "interval": "string",
    "bytea": "binary",
}

_COLUMNS = """
    SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), t.typtype = 'e',
           a.attnotnull, coalesce(array_position(k.conkey, a.attnum), 0)
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
    WHERE n.nspname = ANY (%s) AND c.relkind = 'r'
    ORDER BY n.nspname, c.relname, a.attnum
"""


@dataclass(frozen=True)
class SourceColumn:
    """One column of PostgreSQL's catalog.

    Parameters
    ----------
    schema, table, name : str
        Where it is.
    type : str
        As ``format_type`` gives it.
    is_enum : bool
        Whether the type is an enum.
    not_null : bool
        Whether NULL is refused.
    key_position : int
        Place in the primary key, from 1; 0 when it is not part of it.
    """

    schema: str
    table: str
    name: str
    type: str
    is_enum: bool
    not_null: bool
    key_position: int


def read_columns(connection: psycopg.Connection, schemas: Sequence[str] = SCHEMAS) -> list[SourceColumn]:
    """Every column of every table of the schemas, in table order."""
    return [SourceColumn(*row) for row in connection.execute(_COLUMNS, (list(schemas),)).fetchall()]


def catalog_type(column: SourceColumn) -> str:
    """The Glue catalog's type of a column: the table of types in docs/contracts.md.

    Raises
    ------
    MillpondError
        If the type has no place in the lake.
    """
    if column.is_enum:
        return "string"
    if column.type.endswith("[]"):
        return f"array<{_scalar_type(column, column.type.removesuffix('[]'))}>"
    return _scalar_type(column, column.type)


def catalog_names(names: Iterable[str]) -> list[str]:
    """Names that Athena takes for a table's columns: lower-case ASCII letters, digits and underscores.

    Accents fall away, and what two columns would share gets a number.

    Examples
    --------
    >>> catalog_names(["Id", "id", "Größe (cm)"])
    ['id', 'id_2', 'grosse_cm']
    """
    used: Counter[str] = Counter()
    result = []
    for name in names:
        plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
        candidate = re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or "column"
        used[candidate] += 1
        while used[candidate] > 1:
            candidate = f"{candidate}_{used[candidate]}"
            used[candidate] += 1
        result.append(candidate)
    return result


def table_structure(columns: Sequence[SourceColumn], choice: Mapping[str, Any]) -> dict[str, Any]:
    """The item of ``table_structures`` for one table.

    Parameters
    ----------
    columns : sequence of SourceColumn
        All columns of one table, in order.
    choice : mapping
        Its entry in ``choices.json``.
    """
    names = catalog_names(column.name for column in columns)
    return {
        "table_id": _table_id(columns),
        "version": 1,
        "columns": [
            {
                "name": name,
                "source_name": column.name,
                "source_type": column.type,
                "type": catalog_type(column),
                "nullable": not column.not_null,
            }
            for name, column in zip(names, columns, strict=True)
        ],
        "partitions": list(choice.get("partitions", [])),
    }


def job_setting(columns: Sequence[SourceColumn], choice: Mapping[str, Any]) -> dict[str, Any]:
    """The item of ``job_settings`` for one table; parameters as :func:`table_structure`."""
    key = sorted((column for column in columns if column.key_position), key=lambda c: c.key_position)
    (target_table,) = catalog_names([columns[0].table])
    return {
        "table_id": _table_id(columns),
        "enabled": True,
        "source_schema": columns[0].schema,
        "source_table": columns[0].table,
        "target_database": columns[0].schema,
        "target_table": target_table,
        "key_columns": [column.name for column in key],
        **_DEFAULTS,
        **_without(choice, "partitions"),
    }


def describe(
    columns: Iterable[SourceColumn], choices: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Every fixture: folder, then table, then item."""
    tables: dict[str, list[SourceColumn]] = {}
    for column in columns:
        tables.setdefault(f"{column.schema}.{column.table}", []).append(column)
    unknown = sorted(set(choices) - set(tables))
    if unknown:
        raise MillpondError(
            f"The database has no table {', '.join(unknown)}.", where=str(FIXTURES / "choices.json")
        )
    return {
        "job_settings": {name: job_setting(cs, choices.get(name, {})) for name, cs in tables.items()},
        "table_structures": {name: table_structure(cs, choices.get(name, {})) for name, cs in tables.items()},
    }


def read_choices(directory: Path = FIXTURES) -> dict[str, dict[str, Any]]:
    """What a person decided for each table."""
    choices: dict[str, dict[str, Any]] = json.loads((directory / "choices.json").read_text())
    return choices


def write(fixtures: Mapping[str, Mapping[str, Mapping[str, Any]]], directory: Path = FIXTURES) -> None:
    """Replace the files below ``directory`` by these."""
    for folder, items in fixtures.items():
        (directory / folder).mkdir(parents=True, exist_ok=True)
        for old in (directory / folder).glob("*.json"):
            old.unlink()
        for table_id, item in items.items():
            text = json.dumps(item, indent=2, ensure_ascii=False) + "\n"
            (directory / folder / f"{table_id}.json").write_text(text)


def _scalar_type(column: SourceColumn, source_type: str) -> str:
    bounded = re.fullmatch(r"numeric\((\d+),(\d+)\)", source_type)
    if bounded:
        precision, scale = int(bounded[1]), int(bounded[2])
        return f"decimal({precision},{scale})" if scale <= precision <= MAX_DECIMAL_PRECISION else "string"
    padded = re.fullmatch(r"character\((\d+)\)", source_type)
    if padded and int(padded[1]) <= MAX_CHAR_LENGTH:
        return f"char({padded[1]})"
    plain = _PLAIN_TYPES.get(re.sub(r"\(-?\d+(,-?\d+)?\)", "", source_type))
    if plain is None:
        raise MillpondError(
            f"The type {source_type} has no place in the lake.",
            where=f"{column.schema}.{column.table}, column {column.name}",
            next_step="change the column's type, or leave the table out",
        )
    return plain


def _table_id(columns: Sequence[SourceColumn]) -> str:
    return f"{columns[0].schema}.{columns[0].table}"


def _without(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}


def main() -> None:
    """Write the fixtures from the running database."""
    with OnPremDatabase(load_settings()).connection() as connection:
        write(describe(read_columns(connection), read_choices()))


if __name__ == "__main__":
    main()
