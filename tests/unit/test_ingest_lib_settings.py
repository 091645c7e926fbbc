"""What the ingest takes from DynamoDB, and what it says when that is not usable."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import ingest_lib  # noqa: F401
import pytest
from ingest.arguments import JobArguments
from ingest.errors import IngestError
from ingest.items import Item
from ingest.projection import project
from ingest.secrets import read_credentials, read_masking_key
from ingest.settings import JobSettings
from ingest.source_types import SourceType
from ingest.structures import Drift, TableStructure, check_settings, check_source

from millpond.base.config import CHECKOUT

SETTINGS = {
    "table_id": "erp.orders",
    "enabled": True,
    "source_schema": "erp",
    "source_table": "orders",
    "target_database": "erp",
    "target_table": "orders",
    "engine": "auto",
    "load_mode": "incremental",
    "watermark_column": "updated_at",
    "key_columns": ["order_id"],
    "split_column": None,
    "split_partitions": Decimal(1),
    "fetch_size": Decimal(10000),
    "watermark_overlap": None,
    "change_operation_column": None,
    "change_sequence_column": None,
    "include_columns": None,
    "column_actions": {},
    "filter": None,
    "quality_rules": [],
    "quality_max_rejected": Decimal("0.01"),
    "schema_policy": "strict",
}
OPTIONAL = [name for name, value in SETTINGS.items() if value is None]
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
    return JobSettings.from_item(Item({**SETTINGS, **changes}, "job_settings item of erp.orders"))


def structure(**changes: Any) -> TableStructure:
    return TableStructure.from_item(Item({**STRUCTURE, **changes}, "table_structures item of erp.orders"))


@pytest.mark.parametrize("name", [path.stem for path in (CHECKOUT / "fixtures/job_settings").glob("*.json")])
def test_every_fixture_is_usable(name: str) -> None:
    def read(folder: str) -> Item:
        return Item(json.loads((Path(CHECKOUT) / f"fixtures/{folder}/{name}.json").read_text()), name)

    check_settings(
        JobSettings.from_item(read("job_settings")), TableStructure.from_item(read("table_structures"))
    )


@pytest.mark.parametrize("key", SETTINGS)
def test_missing_setting_names_table_and_key(key: str) -> None:
    content = {name: value for name, value in SETTINGS.items() if name != key}
    item = Item(content, "job_settings item of erp.orders")
    if key in OPTIONAL:
        assert getattr(JobSettings.from_item(item), key) is None
    else:
        with pytest.raises(IngestError, match=rf"erp\.orders.*{key}"):
            JobSettings.from_item(item)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engine": "duck"}, "has 'duck' under 'engine'; expected one of auto, shell, spark"),
        ({"enabled": "yes"}, "has 'yes' under 'enabled'; expected true or false"),
        ({"fetch_size": Decimal(0)}, "under 'fetch_size'; expected a whole number from 1"),
        ({"split_partitions": Decimal("1.5")}, "under 'split_partitions'; expected a whole number from 1"),
        ({"key_columns": "order_id"}, "under 'key_columns'; expected a list of texts"),
        ({"watermark_column": None}, "incremental loads without a watermark_column"),
        ({"key_columns": []}, "incremental loads without key_columns"),
        ({"load_mode": "append", "watermark_column": None}, "append loads without a watermark_column"),
        ({"load_mode": "full_diff", "key_columns": []}, "full_diff loads without key_columns"),
        ({"load_mode": "change_table"}, "without a change_operation_column and a change_sequence_column"),
        ({"column_actions": {"order_id": "encrypt"}}, "expected a map to hash, tokenise, drop"),
        ({"quality_max_rejected": Decimal(2)}, "expected a number from 0 to 1"),
        ({"quality_rules": [{"name": "n"}]}, r"quality_rules\[0\] has no key 'check'"),
    ],
)
def test_unusable_setting_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(IngestError, match=message):
        settings(**changes)


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
        check_settings(settings(**changes), structure())


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
    assert SourceType.parse(source).catalog_type == catalog


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
