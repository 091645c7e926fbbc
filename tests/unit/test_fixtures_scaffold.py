"""From PostgreSQL's catalog to the items of DynamoDB."""

from __future__ import annotations

import json

import pytest

from lake import scaffold
from lake.scaffold import SourceColumn, catalog_names, catalog_type, job_setting, table_structure
from millpond.base.errors import MillpondError


def _column(name: str, source_type: str, *, enum: bool = False, key: int = 0) -> SourceColumn:
    return SourceColumn("erp", "Order Lines", name, source_type, enum, key > 0, key)


@pytest.mark.parametrize(
    ("source_type", "expected"),
    [
        ("smallint", "smallint"),
        ("integer", "int"),
        ("numeric(12,2)", "decimal(12,2)"),
        ("numeric(38,10)", "decimal(38,10)"),
        ("numeric(40,2)", "string"),
        ("numeric", "string"),
        ("real", "float"),
        ("character(3)", "char(3)"),
        ("character(255)", "char(255)"),
        ("character(256)", "string"),
        ("bpchar", "string"),
        ("character(2)[]", "array<char(2)>"),
        ("character varying(120)", "string"),
        ("timestamp with time zone", "timestamptz"),
        ("timestamp(3) without time zone", "timestamp"),
        ("time without time zone", "string"),
        ("bytea", "binary"),
        ("integer[]", "array<int>"),
        ("character varying(10)[]", "array<string>"),
        ("numeric(10,2)[]", "array<decimal(10,2)>"),
    ],
)
def test_a_type_of_the_source_has_one_of_the_catalog(source_type: str, expected: str) -> None:
    assert catalog_type(_column("c", source_type)) == expected


def test_an_enum_is_a_string() -> None:
    assert catalog_type(_column("status", "erp.order_status", enum=True)) == "string"


def test_a_type_without_a_place_in_the_lake_is_named_with_its_column() -> None:
    with pytest.raises(MillpondError) as refusal:
        catalog_type(_column("area", "polygon"))
    assert "polygon" in refusal.value.what
    assert refusal.value.where == "erp.Order Lines, column area"


def test_names_are_lower_case_ascii_and_stay_apart() -> None:
    names = catalog_names(["Id", "id", "ID_2", "Größe (cm)", "Discount %", "select", "東京", "Straße"])
    assert names == ["id", "id_2", "id_2_2", "grosse_cm", "discount", "select", "column", "strasse"]


def test_key_columns_are_in_the_order_of_the_key_not_of_the_table() -> None:
    columns = [_column("line_no", "integer", key=2), _column("order_id", "bigint", key=1)]
    assert job_setting(columns, {})["key_columns"] == ["order_id", "line_no"]


def test_a_job_setting_has_the_keys_of_the_contract_whatever_was_chosen() -> None:
    plain = job_setting([_column("n", "integer")], {})
    chosen = job_setting([_column("n", "integer")], {"engine": "spark", "partitions": [{"name": "p"}]})
    assert plain.keys() == chosen.keys()
    assert set(plain) == {
        "table_id", "enabled", "source_schema", "source_table", "target_database", "target_table", "engine",
        "load_mode", "watermark_column", "key_columns", "split_column", "split_partitions", "fetch_size",
        "watermark_overlap", "change_operation_column", "change_sequence_column", "include_columns",
        "column_actions", "filter", "quality_rules", "quality_max_rejected", "schema_policy", "schedule",
        "freshness_minutes", "urgent",
    }  # fmt: skip
    assert plain["target_table"] == "order_lines"
    assert chosen["engine"] == "spark"


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


def test_tables_read_by_watermark_have_a_key_and_split_tables_a_column() -> None:
    settings = [json.loads(p.read_text()) for p in (scaffold.FIXTURES / "job_settings").glob("*.json")]
    structures = {
        p.stem: json.loads(p.read_text()) for p in (scaffold.FIXTURES / "table_structures").glob("*.json")
    }
    assert {s["engine"] for s in settings} >= {"auto", "spark"}
    for setting in settings:
        names = {c["source_name"]: c["type"] for c in structures[setting["table_id"]]["columns"]}
        is_by_watermark = setting["load_mode"] in ("incremental", "append")
        assert is_by_watermark == (setting["watermark_column"] is not None)
        assert setting["load_mode"] == "full" or setting["key_columns"]
        if setting["load_mode"] == "incremental":
            assert names[setting["watermark_column"]] in {"timestamp", "timestamptz"}
        assert (setting["split_partitions"] > 1) == (setting["split_column"] is not None)
        if setting["split_column"]:
            assert names[setting["split_column"]] in {"int", "bigint", "date"}


def test_partition_columns_differ_from_the_columns_of_their_table() -> None:
    for path in (scaffold.FIXTURES / "table_structures").glob("*.json"):
        structure = json.loads(path.read_text())
        names = [c["name"] for c in structure["columns"]] + [p["name"] for p in structure["partitions"]]
        assert len(names) == len(set(names)), path.stem
