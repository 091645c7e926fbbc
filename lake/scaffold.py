"""Write ``fixtures/``: what DynamoDB is told of each source table, read from the database's own catalog.

``fixtures/choices.json`` holds what a person decides (mode, engine, split, partitions); all else
follows from the catalog. Run ``python -m lake.scaffold`` with the database up after the schema or
the choices changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from ingest.dialect import Dialect
from ingest.names import catalog_name
from ingest.postgresql import PostgreSQL
from ingest.settings_schema import DEFAULTS, FIELDS, completed, problems

from millpond.base.config import CHECKOUT, load_settings
from millpond.base.errors import MillpondError
from millpond.stack.onprem import OnPremDatabase

FIXTURES = CHECKOUT / "fixtures"
SCHEMAS = ("erp", "tpch")
_POSTGRESQL = PostgreSQL()

_COLUMNS = """
    SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
            coalesce(array_position(k.conkey, a.attnum), 0)
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
    WHERE n.nspname = ANY (%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
    ORDER BY n.nspname, c.relname, a.attnum
"""


@dataclass(frozen=True)
class SourceColumn:
    """One column of a database's catalog.

    Parameters
    ----------
    schema, table, name : str
        Where it is.
    type : str
        As the database gives it: PostgreSQL by ``format_type``, MySQL as ``COLUMN_TYPE``.
    not_null : bool
        Whether NULL is refused.
    key_position : int
        Place in the primary key, from 1; 0 when it is not part of it.
    dialect : Dialect
        Of its database.
    """

    schema: str
    table: str
    name: str
    type: str
    not_null: bool
    key_position: int
    dialect: Dialect = field(default=_POSTGRESQL, compare=False)

    @property
    def catalog_type(self) -> str:
        """What it is landed as."""
        return self.dialect.type_of(self.type).catalog_type


def read_columns(connection: psycopg.Connection, schemas: Sequence[str] = SCHEMAS) -> list[SourceColumn]:
    """Every column of every table and view of the schemas, in table order; of partitions the parents'.

    Types are named as jobs see them, with an empty ``search_path``, which the connection has from now on.
    """
    connection.execute("SET search_path = ''")
    return [SourceColumn(*row) for row in connection.execute(_COLUMNS, (list(schemas),)).fetchall()]


def catalog_names(names: Iterable[str]) -> list[str]:
    """Names for the columns of a table in the catalog, no two of them the same.

    Examples
    --------
    >>> catalog_names(["Id", "id", "Größe (cm)"])
    ['id', 'id_2', 'grosse_cm']
    """
    result: list[str] = []
    for name in names:
        result.append(catalog_name(name, result))
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
                "type": column.catalog_type,
                "nullable": not column.not_null,
            }
            for name, column in zip(names, columns, strict=True)
        ],
        "partitions": list(choice.get("partitions", [])),
    }


def job_setting(columns: Sequence[SourceColumn], choice: Mapping[str, Any]) -> dict[str, Any]:
    """The item of ``job_settings`` for one table, without what is as by default.

    Parameters
    ----------
    columns, choice
        As for :func:`table_structure`.

    Raises
    ------
    MillpondError
        If the choice makes settings that cannot be used.
    """
    key = sorted((column for column in columns if column.key_position), key=lambda c: c.key_position)
    item = {
        "table_id": _table_id(columns),
        "source_schema": columns[0].schema,
        "source_table": columns[0].table,
        "target_database": columns[0].schema,
        "target_table": catalog_name(columns[0].table),
        "key_columns": [column.name for column in key],
        **_without(choice, "partitions"),
    }
    wrong = problems(completed(item))
    if wrong:
        raise MillpondError(
            f"{item['table_id']}: {'; '.join(wrong)}.",
            where=str(FIXTURES / "choices.json"),
            next_step="the settings are described in docs/contracts.md, job_settings",
        )
    return {name: item[name] for name in FIELDS if name in item and item[name] != DEFAULTS.get(name, ...)}


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
    path = directory / "choices.json"
    choices: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}
    return choices


def write(fixtures: Mapping[str, Mapping[str, Mapping[str, Any]]], directory: Path = FIXTURES) -> None:
    """Replace the files below ``directory`` by these."""
    for folder, items in fixtures.items():
        for old in (directory / folder).glob("*.json"):
            old.unlink()
        for table_id, item in items.items():
            write_item(directory, folder, table_id, item)


def write_item(directory: Path, folder: str, table_id: str, item: Mapping[str, Any]) -> None:
    """Write one file."""
    (directory / folder).mkdir(parents=True, exist_ok=True)
    (directory / folder / f"{table_id}.json").write_text(_json(item))


def write_choices(choices: Mapping[str, Mapping[str, Any]], directory: Path = FIXTURES) -> None:
    """Replace what a person decided."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "choices.json").write_text(_json(choices))


def read_settings(directory: Path = FIXTURES) -> dict[str, dict[str, Any]]:
    """The items of ``job_settings``, by ``table_id``."""
    paths = sorted((directory / "job_settings").glob("*.json"))
    return {path.name.removesuffix(".json"): json.loads(path.read_text()) for path in paths}


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _table_id(columns: Sequence[SourceColumn]) -> str:
    return f"{columns[0].schema}.{columns[0].table}"


def _without(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}


def main() -> None:
    """Write the fixtures from the running database."""
    schemas = sorted({item["source_schema"] for item in read_settings().values()} | set(SCHEMAS))
    with OnPremDatabase(load_settings()).connection() as connection:
        columns = read_columns(connection, schemas)
    # Of a schema that was added by `millpond lake add`, the tables that were.
    known = {*read_settings(), *read_choices()}
    write(
        describe(
            [c for c in columns if c.schema in SCHEMAS or f"{c.schema}.{c.table}" in known], read_choices()
        )
    )


if __name__ == "__main__":
    main()
