"""Tables of a real PostgreSQL, read in parts and by bookmarks, and written."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from conftest import shown


@pytest.fixture(scope="module")
def database() -> dict[str, str]:
    found = {
        name: os.environ.get(f"MILLPOND_TEST_JDBC_{name.upper()}", "") for name in ("url", "user", "password")
    }
    assert found["url"], "the tests of JDBC need a database"
    return found


def store(spark: Any, database: dict[str, str], table: str, rows: str, mode: str = "overwrite") -> None:
    options = {**database, "dbtable": table, "driver": "org.postgresql.Driver"}
    query = f"SELECT id, IF(id = 5, NULL, CONCAT('n', id)) AS name FROM {rows}"
    spark.sql(query).write.format("jdbc").options(**options).mode(mode).save()


@pytest.fixture(scope="module")
def people(spark: Any, database: dict[str, str]) -> str:
    store(spark, database, "people", "range(1, 11)")
    return "people"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"hashfield": "name", "hashpartitions": "3"},
        {"hashexpression": "id", "hashpartitions": "4"},
        {"query": "SELECT id FROM people WHERE id < 11"},
        {"sampleQuery": "SELECT id FROM people"},
        {"filterPredicate": "id > 0"},
    ],
)
def test_rows_are_read_whole_whatever_parts_them(
    glue: Any, database: dict[str, str], people: str, options: dict[str, str]
) -> None:
    frame = glue.create_dynamic_frame.from_options("postgresql", {**database, "dbtable": people, **options})
    assert sorted(one["id"] for one in shown(frame)) == list(range(1, 11))
    assert frame.getNumPartitions() == int(options.get("hashpartitions", 1))


def test_rows_are_read_in_parts_and_written_by_a_connection(
    glue: Any, frame: Callable[..., Any], database: dict[str, str], people: str
) -> None:
    client = boto3.client("glue")
    client.create_connection(
        ConnectionInput={
            "Name": "erp",
            "ConnectionType": "JDBC",
            "ConnectionProperties": {
                "JDBC_CONNECTION_URL": database["url"],
                "USERNAME": database["user"],
                "PASSWORD": database["password"],
            },
        }
    )
    glue.write_dynamic_frame.from_jdbc_conf(
        frame({"id": 1, "l": "x"}), "erp", {"dbtable": "written", "database": "any"}
    )
    client.create_database(DatabaseInput={"Name": "source"})
    client.create_table(
        DatabaseName="source",
        TableInput={
            "Name": "written",
            "Parameters": {"classification": "postgresql", "connectionName": "erp"},
            "StorageDescriptor": {"Columns": [], "Location": "erp.public.written"},
        },
    )
    glue.write_dynamic_frame.from_catalog(frame({"id": 2, "l": "y"}), "source", "written")
    read = glue.create_dynamic_frame.from_catalog(database="source", table_name="written")
    assert sorted(one["id"] for one in shown(read)) == [1, 2]


@pytest.mark.parametrize(("order", "first", "then"), [("asc", 10, 11), ("desc", 1, 0)])
def test_bookmark_reads_rows_after_the_last_keys(
    glue: Any, spark: Any, database: dict[str, str], order: str, first: int, then: int
) -> None:
    from awsglue._sources import jdbc
    from awsglue.bookmarks import SourceBookmark

    table = f"read_{order}"
    store(spark, database, table, "range(1, 11)")
    options = {**database, "dbtable": table, "jobBookmarkKeys": ["id"], "jobBookmarkKeysSortOrder": order}

    def read(state: Any) -> tuple[list[int], Any]:
        bookmark = SourceBookmark(state, is_on=True)
        content = jdbc.read(spark, glue._catalog, "postgresql", options, bookmark)
        return sorted(row.id for row in content.df.collect()), bookmark.result

    ids, state = read(None)
    assert (ids, state["values"]) == (list(range(1, 11)), [first])
    assert read(state)[0] == []
    store(spark, database, table, f"range({then}, {then + 1})", "append")
    assert read(state)[0] == [then]


def test_compound_key_is_beyond_another_by_its_first_part_that_differs() -> None:
    from awsglue._sources.jdbc import _beyond

    assert _beyond(["a", "b"], [1, "x'y"], ">") == "((a > 1) OR (a = 1 AND b > 'x''y'))"


def test_statements_are_executed_before_and_after_rows_are_written(
    glue: Any, spark: Any, frame: Callable[..., Any], database: dict[str, str]
) -> None:
    store(spark, database, "acted", "range(1, 3)")
    options = {
        **database,
        "dbtable": "acted",
        "preactions": "DELETE FROM acted; INSERT INTO acted VALUES (7, 'a;b')",
        "postactions": "UPDATE acted SET name = 'after' WHERE id = 8;",
    }
    glue.write_dynamic_frame.from_options(frame({"id": 8, "name": "x"}), "postgresql", options)
    read = glue.create_dynamic_frame.from_options("postgresql", {**database, "dbtable": "acted"})
    assert sorted((one["id"], one["name"]) for one in shown(read)) == [(7, "a;b"), (8, "after")]
    failing = {**options, "preactions": "DELETE FROM acted; SELECT * FROM no_such_table"}
    with pytest.raises(Exception, match="no_such_table"):
        glue.write_dynamic_frame.from_options(frame({"id": 9, "name": "x"}), "postgresql", failing)
    assert read.count() == 2
