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
from ingest.secrets import read_credentials
from ingest.settings import JobSettings
from ingest.source_types import SourceType
from ingest.structures import TableStructure, check_settings, check_source

from millpond.config import CHECKOUT

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
}
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
            "type": "timestamp",
            "nullable": True,
        },
    ],
    "partitions": [
        {"name": "month", "type": "string", "source_name": "updated_at", "transform": "month"},
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
    if key in ("split_column",):
        assert JobSettings.from_item(item).split_column is None
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
    ],
)
def test_unusable_setting_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(IngestError, match=message):
        settings(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key_columns": ["nope"]}, "'nope', used as one of key_columns, is not in table_structures"),
        ({"watermark_column": "nope"}, "'nope', used as watermark_column"),
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
            {"partitions": [{"name": "p", "type": "string", "source_name": "order_id", "transform": "day"}]},
            "the partition 'p' cannot be made of column 'order_id', bigint, by day",
        ),
        (
            {"partitions": [{"name": "P", "type": "string", "source_name": "order_id", "transform": "day"}]},
            "the catalog name 'P' is not in lower case",
        ),
        (
            {
                "partitions": [
                    {"name": "order_id", "type": "string", "source_name": "order_id", "transform": "identity"}
                ]
            },
            "uses the name 'order_id' twice",
        ),
        (
            {
                "partitions": [
                    {"name": "p", "type": "int", "source_name": "order_id", "transform": "identity"}
                ]
            },
            "has 'int' under 'type'",
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
        ("timestamp with time zone", "timestamp"),
        ("time(0) without time zone", "string"),
        ("interval day to second(3)", "string"),
        ("bytea", "binary"),
        ("text[]", "array<string>"),
        ("numeric(8,2)[]", "array<decimal(8,2)>"),
        ("timestamp(6) with time zone[]", "array<timestamp>"),
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


@pytest.mark.parametrize("run_id", ["a/b", "", "CURRENT", "a b"])
def test_run_id_that_cannot_be_part_of_a_key_is_refused(run_id: str) -> None:
    options = dict.fromkeys(JobArguments.names(), "x")
    with pytest.raises(IngestError, match="run_id"):
        JobArguments.from_options({**options, "run_id": run_id})
