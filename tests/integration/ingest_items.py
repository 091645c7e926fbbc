"""The table of the ingest's tests: a source with a composite key, its changes, and what the lake has."""

from __future__ import annotations

from typing import Any

from ingest_fixtures import Lab

COLUMNS = [
    ("id", "integer", "int"),
    ("part", "integer", "int"),
    ("place", "text", "string"),
    ("note", "text", "string"),
    ("deleted_at", "timestamp with time zone", "timestamptz"),
    ("updated_at", "timestamp with time zone", "timestamptz"),
]


NAMES = [name for name, _, _ in COLUMNS]


INCREMENTAL = {
    "load_mode": "incremental",
    "watermark_column": "updated_at",
    "key_columns": ["id", "part"],
}


PLACES = "(ARRAY['north', 'a/b=c d%é', NULL, '', 'quiet'])[1 + id % 5]"


def make_items(lab: Lab, table: str, *, is_partitioned: bool = True, **overrides: Any) -> str:
    """A table with a composite key, partitioned by a text that is NULL, empty and awkward in places."""
    lab.execute(
        f"CREATE TABLE lab.{table} (id integer, part integer, place text, note text, "
        "deleted_at timestamptz, updated_at timestamptz NOT NULL, PRIMARY KEY (id, part))",
        f"INSERT INTO lab.{table} SELECT id, 1, {PLACES}, 'first', NULL, "
        "timestamptz '2024-01-01Z' + id * interval '1 minute' FROM generate_series(1, 500) AS id",
    )
    partitions = [{"name": "by_place", "source_name": "place", "transform": "identity"}]
    return lab.declare(
        table,
        structure=structure(COLUMNS, partitions if is_partitioned else []),
        **{**INCREMENTAL, **overrides},
    )


def change_items(lab: Lab, table: str) -> None:
    """Insert, update, soft-delete, move a row to another partition, and write one at the old watermark."""
    lab.execute(
        f"INSERT INTO lab.{table} VALUES (501, 1, 'brand new', 'inserted', NULL, '2024-02-01Z'), "
        "(502, 1, 'north', 'same moment', NULL, timestamptz '2024-01-01Z' + interval '500 minutes')",
        f"UPDATE lab.{table} SET note = 'updated', updated_at = '2024-02-02Z' WHERE id IN (5, 10)",
        f"UPDATE lab.{table} SET deleted_at = '2024-02-02Z', updated_at = '2024-02-02Z' WHERE id = 15",
        f"UPDATE lab.{table} SET place = 'moved', updated_at = '2024-02-03Z' WHERE id = 6",
    )


def structure(
    columns: list[tuple[str, str, str]], partitions: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    return {
        "columns": [
            {"name": name, "source_name": name, "source_type": kind, "type": catalog, "nullable": True}
            for name, kind, catalog in columns
        ],
        "partitions": partitions or [],
    }


def source_rows(lab: Lab, table: str) -> list[tuple[Any, ...]]:
    with lab.database.connection() as connection:
        return sorted(connection.execute(f"SELECT {', '.join(NAMES)} FROM lab.{table}").fetchall())


def lake_rows(lab: Lab, table: str, where: str = "TRUE") -> list[tuple[Any, ...]]:
    return sorted(tuple(row[name] for name in NAMES) for row in lab.rows(f"lab.{table}", where))


def counts(item: dict[str, Any]) -> tuple[int, ...]:
    names = ("read", "inserted", "updated", "deleted", "total")
    return tuple(int(item[f"rows_{name}"]) for name in names)


def declare_version(
    lab: Lab,
    table: str,
    version: int,
    changes: dict[str, tuple[str, str]],
    renamed: dict[str, str],
    **overrides: Any,
) -> None:
    """A version of the structure with columns that have other types, are new, or have another name."""
    kinds = {name: (kind, catalog) for name, kind, catalog in COLUMNS}
    if "remark" in changes:
        del kinds["note"]
    columns = structure([(name, *kind) for name, kind in {**kinds, **changes}.items()])["columns"]
    for column in columns:
        column["renamed_from"] = renamed.get(column["name"])
    partitions = [{"name": "by_place", "source_name": "place", "transform": "identity"}]
    declared = {"version": version, "columns": columns, "partitions": partitions}
    lab.declare(table, structure=declared, **{**INCREMENTAL, **overrides})


def field_ids(lab: Lab, table_id: str) -> dict[str, int]:
    return {field["name"]: field["id"] for field in current_fields(lab, table_id)}


def field_types(lab: Lab, table_id: str) -> dict[str, str]:
    return {field["name"]: field["type"] for field in current_fields(lab, table_id)}


def current_fields(lab: Lab, table_id: str) -> list[dict[str, Any]]:
    metadata = lab.metadata(table_id)
    (schema,) = [one for one in metadata["schemas"] if one["schema-id"] == metadata["current-schema-id"]]
    fields: list[dict[str, Any]] = schema["fields"]
    return fields
