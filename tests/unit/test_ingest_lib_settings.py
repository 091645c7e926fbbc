"""What the ingest takes from DynamoDB, and what it says when that is not usable."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import Any

import pytest
from ingest.arguments import JobArguments
from ingest.errors import IngestError
from ingest.items import Item
from ingest.postgresql import PostgreSQL
from ingest.projection import project
from ingest.secrets import read_credentials, read_masking_key
from ingest.settings import JobSettings
from ingest.settings_schema import DEFAULTS
from ingest.structures import Drift, TableStructure, check_settings, check_source
from settings_items import settings_item

from millpond.base.config import CHECKOUT

SETTINGS = settings_item(
    "erp.orders",
    load_mode="incremental",
    watermark_column="updated_at",
    key_columns=["order_id"],
    quality_max_rejected=Decimal("0.01"),
    schema_policy="strict",
)
STRUCTURE = {
    "table_id": "erp.orders",
    "version": Decimal(3),
    "columns": [
        {
            "name": "order_id",
            "source_name": "order_id",
            "source_type": "bigint",
            "type": "bigint",
            "nullable": False,
        },
        {
            "name": "updated_at",
            "source_name": "updated_at",
            "source_type": "timestamp with time zone",
            "type": "timestamptz",
            "nullable": True,
        },
    ],
    "partitions": [
        {"name": "month", "source_name": "updated_at", "transform": "month"},
    ],
}


def settings(**changes: Any) -> JobSettings:
    return JobSettings.from_item({**SETTINGS, **changes}, "job_settings item of erp.orders")


def structure(**changes: Any) -> TableStructure:
    return TableStructure.from_item(
        Item({**STRUCTURE, **changes}, "table_structures item of erp.orders"), PostgreSQL()
    )


@pytest.mark.parametrize("name", [path.stem for path in (CHECKOUT / "fixtures/job_settings").glob("*.json")])
def test_every_fixture_is_usable(name: str) -> None:
    def read(folder: str) -> Any:
        return json.loads((CHECKOUT / f"fixtures/{folder}/{name}.json").read_text())

    check_settings(
        JobSettings.from_item(read("job_settings"), name),
        TableStructure.from_item(Item(read("table_structures"), name), PostgreSQL()),
        PostgreSQL(),
    )


def test_an_item_that_cannot_be_used_is_named_with_all_that_is_wrong() -> None:
    changes = {"engine": "duck", "fetch_size": Decimal("1.5"), "load_mode": "change_table", "key_colums": []}
    content = {name: value for name, value in {**SETTINGS, **changes}.items() if name != "target_table"}
    with pytest.raises(IngestError) as caught:
        JobSettings.from_item(content, "job_settings item of erp.orders")
    assert str(caught.value) == (
        "The job_settings item of erp.orders cannot be used: key_colums is no setting; "
        "target_table is missing; engine is not one of auto, shell, spark; "
        "fetch_size is not a whole number from 1; "
        "load_mode change_table needs change_operation_column; "
        "load_mode change_table needs change_sequence_column."
    )


def test_what_an_item_leaves_out_has_its_default() -> None:
    short = {name: value for name, value in SETTINGS.items() if DEFAULTS.get(name, ...) != value}
    assert len(short) < len(SETTINGS)
    assert JobSettings.from_item(short, "it") == settings()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key_columns": ["nope"]}, "'nope', used as one of key_columns, is not in table_structures"),
        ({"watermark_column": "nope"}, "'nope', used as watermark,"),
        ({"column_actions": {"nope": "hash"}}, "'nope', used as one of column_actions"),
        ({"split_column": "updated_at"}, "it cannot be the split_column"),
    ],
)
def test_setting_that_the_structure_cannot_serve_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(IngestError, match=message):
        check_settings(settings(**changes), structure(), PostgreSQL())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"columns": []}, "has no columns"),
        ({"columns": STRUCTURE["columns"] * 2}, "uses the name 'order_id' twice"),  # type: ignore[operator]
        (
            {"columns": [{**STRUCTURE["columns"][0], "type": "int"}], "partitions": []},  # type: ignore[index]
            "lands column 'order_id', bigint, as int; expected bigint",
        ),
        (
            {"partitions": [{"name": "p", "source_name": "order_id", "transform": "day"}]},
            "the partition 'p' cannot be made of column 'order_id', bigint, by day",
        ),
        (
            {"partitions": [{"name": "P", "source_name": "order_id", "transform": "day"}]},
            "the catalog name 'P' is not in lower case",
        ),
        (
            {"partitions": [{"name": "order_id", "source_name": "order_id", "transform": "bucket[4]"}]},
            "uses the name 'order_id' twice",
        ),
        (
            {"partitions": [{"name": "p", "source_name": "order_id", "transform": "bucket"}]},
            "cannot be made of column 'order_id', bigint, by bucket",
        ),
    ],
)
def test_unsound_structure_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(IngestError, match=message):
        structure(**changes)


def test_every_difference_from_the_source_is_named() -> None:
    actual = {"order_id": "integer", "extra": "text"}
    with pytest.raises(IngestError) as caught:
        check_source(structure(), settings(), actual)
    assert str(caught.value) == (
        'erp.orders: table_structures version 3 does not match the source table "erp"."orders": '
        "column 'order_id': expected bigint, found integer; "
        "column 'updated_at': expected timestamp with time zone, found no such column; "
        "column 'extra': expected no such column, found text."
    )


def test_order_of_the_source_columns_does_not_matter() -> None:
    check_source(structure(), settings(), {"updated_at": "timestamp with time zone", "order_id": "bigint"})


@pytest.mark.parametrize(
    ("source", "catalog"),
    [
        ("smallint", "smallint"),
        ("integer", "int"),
        ("bigint", "bigint"),
        ("numeric(12,2)", "decimal(12,2)"),
        ("numeric(38,38)", "decimal(38,38)"),
        ("numeric(39,2)", "string"),
        ("numeric(3,5)", "string"),
        ("numeric(5,-2)", "string"),
        ("numeric", "string"),
        ("real", "float"),
        ("double precision", "double"),
        ("boolean", "boolean"),
        ("character varying(20)", "string"),
        ("character(3)", "char(3)"),
        ("character(255)", "char(255)"),
        ("character(256)", "string"),
        ("bpchar", "string"),
        ("character(2)[]", "array<char(2)>"),
        ("erp.order_status", "string"),
        ("uuid", "string"),
        ("jsonb", "string"),
        ("date", "date"),
        ("timestamp(3) without time zone", "timestamp"),
        ("timestamp with time zone", "timestamptz"),
        ("time(0) without time zone", "string"),
        ("interval day to second(3)", "string"),
        ("bytea", "binary"),
        ("text[]", "array<string>"),
        ("numeric(8,2)[]", "array<decimal(8,2)>"),
        ("timestamp(6) with time zone[]", "array<timestamptz>"),
        ('erp."Odd(x)"', "string"),
    ],
)
def test_catalog_type_is_the_contracts(source: str, catalog: str) -> None:
    assert PostgreSQL().type_of(source).catalog_type == catalog


class Secrets:
    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self, **_: str) -> dict[str, str]:
        return {"SecretString": self._value}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("hunter2", "The secret x is not JSON."),
        ('{"engine": "postgres", "password": "hunter2"}', "lacks host, port, dbname, username"),
        (
            '{"engine":"oracle","host":"h","port":1,"dbname":"d","username":"u","password":"hunter2"}',
            "is for 'oracle'",
        ),
    ],
)
def test_unusable_secret_is_refused_without_showing_it(value: str, message: str) -> None:
    with pytest.raises(IngestError, match=message) as caught:
        read_credentials(Secrets(value), "x")
    assert "hunter2" not in str(caught.value)


def test_credentials_do_not_show_the_password() -> None:
    value = '{"engine":"postgres","host":"h","port":1,"dbname":"d","username":"u","password":"hunter2"}'
    assert "hunter2" not in repr(read_credentials(Secrets(value), "x"))


ARGUMENTS = {
    "job_settings_table": "settings",
    "table_structures_table": "structures",
    "ingest_runs_table": "runs",
    "raw_bucket": "raw",
    "curated_bucket": "curated",
    "secret_id": "onprem",
    "masking_secret_id": "masking",
    "table_id": "erp.orders",
    "run_id": "r1",
    "ingest_date": "2024-05-31",
    "dpu": "0.0625",
    "dpu_hour_usd": "0.44",
}


def resolve(**changes: str) -> JobArguments:
    given = {**ARGUMENTS, **changes}

    def resolved(_: Any, names: Any) -> dict[str, str]:
        return {name: given[name] for name in names}

    return JobArguments.resolve([f"--{name}" for name in given], resolved)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("run_id", "a/b"),
        ("run_id", ""),
        ("run_id", "CURRENT"),
        ("run_id", "a b"),
        ("ingest_date", "31 May"),
        ("dpu", "two"),
    ],
)
def test_argument_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(IngestError, match=name):
        resolve(**{name: value})


def test_optional_arguments_are_asked_for_only_when_they_are_given() -> None:
    assert resolve().source_file == ""
    assert resolve(source_file="s3://raw/drop/x.csv").source_file == "s3://raw/drop/x.csv"
    assert resolve(split_partitions="8").split_partitions == "8"


def test_a_batch_names_its_tables_and_they_share_the_minute() -> None:
    given = {name: value for name, value in ARGUMENTS.items() if name != "table_id"}
    given["table_ids"] = '["erp.Group", "erp.b"]'

    def resolved(argv: Any, names: Any) -> dict[str, str]:
        known = {**given, **dict(itertools.pairwise(argv))}
        return {name: known.get(f"--{name}", known.get(name, "")) for name in names}

    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    found = JobArguments.resolve_all(words, resolved)
    assert [(one.table_id, one.sharing, one.run_id) for one in found] == [
        ("erp.Group", 2, ARGUMENTS["run_id"]),
        ("erp.b", 2, ARGUMENTS["run_id"]),
    ]
    for wrong in ("erp.a", "[]", "[1]", "{}"):
        given["table_ids"] = wrong
        with pytest.raises(IngestError, match="--table_ids is "):
            JobArguments.resolve_all(["--table_ids", wrong], resolved)
    alone = [word for name, value in ARGUMENTS.items() for word in (f"--{name}", value)]
    assert [one.sharing for one in JobArguments.resolve_all(alone, resolved)] == [1]


def test_masking_key_is_refused_without_showing_it() -> None:
    assert read_masking_key(Secrets('{"key": "' + "ab" * 32 + '"}'), "x") == b"\xab" * 32
    for value in ('{"key": "ab"}', '{"key": 7}', "abab"):
        with pytest.raises(IngestError) as caught:
            read_masking_key(Secrets(value), "x")
        assert "ab" not in str(caught.value)


def test_columns_are_left_out_and_masked_as_settings_say() -> None:
    landed = project(structure(partitions=[]), settings(column_actions={"updated_at": "hash"}))
    assert [(column.name, column.type, column.masking) for column in landed.columns] == [
        ("order_id", "bigint", None),
        ("updated_at", "string", "hash"),
    ]
    landed = project(structure(partitions=[]), settings(include_columns=["order_id"]))
    assert [column.name for column in landed.columns] == ["order_id"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"include_columns": ["updated_at"]}, "column 'order_id' is a key but not landed"),
        ({"column_actions": {"updated_at": "drop"}}, "column 'updated_at' is a partition's source but"),
        ({"column_actions": {"updated_at": "hash"}}, "the partition 'month' needs the value"),
    ],
)
def test_column_that_is_needed_must_be_landed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(IngestError, match=message):
        project(structure(), settings(**changes))


def test_schema_policy_says_which_differences_are_taken() -> None:
    actual = {"order_id": "bigint", "extra": "text"}
    narrow = {"watermark_column": None, "load_mode": "full"}
    with pytest.raises(IngestError, match="column 'updated_at': expected"):
        check_source(structure(), settings(**narrow, schema_policy="additive"), actual)
    permissive = settings(**narrow, schema_policy="permissive")
    assert check_source(structure(), permissive, actual) == Drift(absent=frozenset({"updated_at"}))
    retyped = {**actual, "updated_at": "text"}
    assert check_source(structure(), permissive, retyped) == Drift(retyped=frozenset({"updated_at"}))
    with pytest.raises(
        IngestError, match="column 'updated_at': expected timestamp with time zone, found text"
    ):
        check_source(structure(), settings(**narrow, schema_policy="additive"), retyped)
    for needs in ({"split_column": "order_id"}, {"key_columns": ["order_id"]}):
        with pytest.raises(IngestError, match="column 'order_id': expected bigint, found text"):
            check_source(
                structure(),
                settings(**narrow, schema_policy="permissive", **needs),
                {**actual, "order_id": "text"},
            )
    with pytest.raises(IngestError, match="column 'updated_at': expected"):
        check_source(structure(), settings(schema_policy="permissive"), actual)
