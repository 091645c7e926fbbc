"""From PostgreSQL's catalog to the items of DynamoDB."""

from __future__ import annotations

import json

import pytest

from lake import scaffold
from lake.scaffold import SourceColumn, catalog_names, job_setting, table_structure
from millpond.base.errors import MillpondError


def _column(name: str, source_type: str, *, key: int = 0) -> SourceColumn:
    return SourceColumn("erp", "Order Lines", name, source_type, key > 0, key)


def test_names_are_lower_case_ascii_and_stay_apart() -> None:
    names = catalog_names(["Id", "id", "ID_2", "Größe (cm)", "Discount %", "select", "東京", "Straße"])
    assert names == ["id", "id_2", "id_2_2", "grosse_cm", "discount", "select", "column", "strasse"]


def test_key_columns_are_in_the_order_of_the_key_not_of_the_table() -> None:
    columns = [_column("line_no", "integer", key=2), _column("order_id", "bigint", key=1)]
    assert job_setting(columns, {})["key_columns"] == ["order_id", "line_no"]


def test_a_job_setting_says_what_is_not_as_by_default() -> None:
    column = _column("n", "integer", key=1)
    chosen = {"engine": "spark", "load_mode": "full", "partitions": [{"name": "p"}]}
    assert job_setting([column], chosen) == {
        "table_id": "erp.Order Lines",
        "source_schema": "erp",
        "source_table": "Order Lines",
        "target_database": "erp",
        "target_table": "order_lines",
        "key_columns": ["n"],
        "engine": "spark",
    }


def test_a_choice_that_no_run_could_use_is_refused() -> None:
    with pytest.raises(MillpondError, match="load_mode append needs key_columns; load_mode append needs"):
        job_setting([_column("n", "integer")], {"load_mode": "append"})


def test_a_structure_keeps_source_names_and_types_beside_the_catalog_ones() -> None:
    structure = table_structure(
        [_column("User", "character(3)", key=1), _column("at", "date")],
        {"partitions": [{"name": "at_month", "source_name": "at", "transform": "month"}]},
    )
    assert structure["columns"] == [
        {
            "name": "user",
            "source_name": "User",
            "source_type": "character(3)",
            "type": "char(3)",
            "nullable": False,
        },
        {"name": "at", "source_name": "at", "source_type": "date", "type": "date", "nullable": True},
    ]
    assert structure["partitions"] == [{"name": "at_month", "source_name": "at", "transform": "month"}]


def test_a_choice_for_a_table_that_is_not_there_is_refused() -> None:
    with pytest.raises(MillpondError, match=r"erp\.oders"):
        scaffold.describe([_column("n", "integer")], {"erp.oders": {}})


def test_partition_columns_differ_from_the_columns_of_their_table() -> None:
    for path in (scaffold.FIXTURES / "table_structures").glob("*.json"):
        structure = json.loads(path.read_text())
        names = [c["name"] for c in structure["columns"]] + [p["name"] for p in structure["partitions"]]
        assert len(names) == len(set(names)), path.stem
