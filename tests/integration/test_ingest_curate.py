"""What the shell job makes of a source table: an Iceberg table, run after run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ingest_fixtures import Lab, open_lab

_COLUMNS = [
    ("id", "integer", "int"),
    ("part", "integer", "int"),
    ("place", "text", "string"),
    ("note", "text", "string"),
    ("deleted_at", "timestamp with time zone", "timestamptz"),
    ("updated_at", "timestamp with time zone", "timestamptz"),
]
_NAMES = [name for name, _, _ in _COLUMNS]
_INCREMENTAL = {
    "load_mode": "incremental",
    "watermark_column": "updated_at",
    "key_columns": ["id", "part"],
}
_PLACES = "(ARRAY['north', 'a/b=c d%é', NULL, '', 'quiet'])[1 + id % 5]"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("ingest")) as lab:
        yield lab


def make_items(lab: Lab, table: str, *, is_partitioned: bool = True, **overrides: Any) -> str:
    """A table with a composite key, partitioned by a text that is NULL, empty and awkward in places."""
    lab.execute(
        f"CREATE TABLE lab.{table} (id integer, part integer, place text, note text, "
        "deleted_at timestamptz, updated_at timestamptz NOT NULL, PRIMARY KEY (id, part))",
        f"INSERT INTO lab.{table} SELECT id, 1, {_PLACES}, 'first', NULL, "
        "timestamptz '2024-01-01Z' + id * interval '1 minute' FROM generate_series(1, 500) AS id",
    )
    partitions = [{"name": "by_place", "source_name": "place", "transform": "identity"}]
    return lab.declare(
        table,
        structure=structure(_COLUMNS, partitions if is_partitioned else []),
        **{**_INCREMENTAL, **overrides},
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
        return sorted(connection.execute(f"SELECT {', '.join(_NAMES)} FROM lab.{table}").fetchall())


def lake_rows(lab: Lab, table: str, where: str = "TRUE") -> list[tuple[Any, ...]]:
    return sorted(tuple(row[name] for name in _NAMES) for row in lab.rows(f"lab.{table}", where))


def counts(item: dict[str, Any]) -> tuple[int, ...]:
    names = ("read", "inserted", "updated", "deleted", "total")
    return tuple(int(item[f"rows_{name}"]) for name in names)


def test_incremental_run_updates_moves_and_inserts_rows_by_key(lab: Lab) -> None:
    table_id = make_items(lab, "items")
    lab.run("shell", table_id, "r1")
    assert lake_rows(lab, "items") == source_rows(lab, "items")
    first = lab.item(table_id, "r1")
    assert (first["load_mode"], counts(first)) == ("full", (500, 500, 0, 0, 500))
    lab.commit(table_id, "r1")

    change_items(lab, "items")
    lab.run("shell", table_id, "r2")
    assert lake_rows(lab, "items") == source_rows(lab, "items")
    assert lake_rows(lab, "items", "place = 'moved'") == [
        row for row in source_rows(lab, "items") if row[2] == "moved"
    ]
    item = lab.item(table_id, "r2")
    assert (item["load_mode"], counts(item)) == ("incremental", (7, 2, 5, 0, 502))
    assert (item["watermark_from"], item["watermark_to"]) == (
        "2024-01-01 08:20:00+00",
        "2024-02-03 00:00:00+00",
    )
    lab.commit(table_id, "r2")
    lab.execute("UPDATE lab.items SET place = 'quiet', updated_at = '2024-03-01Z' WHERE id <= 20")
    lab.run("shell", table_id, "r3")
    assert lake_rows(lab, "items") == source_rows(lab, "items")
    assert counts(lab.item(table_id, "r3")) == (20, 0, 20, 0, 502)
