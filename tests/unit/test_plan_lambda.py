"""The planning Lambda against DynamoDB and Parameter Store tables of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws

from millpond.config import CHECKOUT

MEGABYTE = 1_000_000
THRESHOLD = 100 * MEGABYTE


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType]]:
    monkeypatch.syspath_prepend(str(CHECKOUT / "lambdas/plan"))
    import handler
    import planning

    yield handler, planning
    for name in ("handler", "planning"):
        del sys.modules[name]


@pytest.fixture
def planning(modules: tuple[ModuleType, ModuleType]) -> ModuleType:
    return modules[1]


class Lake:
    """The tables and parameters that the Lambda reads."""

    def __init__(self, handler: ModuleType) -> None:
        self._handler = handler
        self.dynamodb = boto3.resource("dynamodb", region_name="eu-west-1")
        self.ssm = boto3.client("ssm", region_name="eu-west-1")
        self.settings = self._table("job_settings", ("table_id", "S"))
        self.structures = self._table("table_structures", ("table_id", "S"), ("version", "N"))
        self.runs = self._table("ingest_runs", ("table_id", "S"), ("run_id", "S"))
        self.put_parameter("max_concurrency", "3")
        self.put_parameter("spark_threshold_bytes", str(THRESHOLD))

    def _table(self, name: str, *keys: tuple[str, str]) -> Any:
        return self.dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in keys],
            KeySchema=[
                {"AttributeName": key, "KeyType": kind}
                for (key, _), kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
        )

    def put_parameter(self, name: str, value: str) -> None:
        self.ssm.put_parameter(Name=f"/lake/ingest/{name}", Value=value, Type="String", Overwrite=True)

    def add(
        self, table_id: str, *, engine: str = "auto", enabled: bool = True, rows: int | None = None
    ) -> None:
        database, table = table_id.lower().split(".", 1)
        self.settings.put_item(
            Item={
                "table_id": table_id,
                "enabled": enabled,
                "engine": engine,
                "target_database": database,
                "target_table": table,
                # DynamoDB answers a scan in pages of 1 MB: this makes a page of a few items.
                "padding": "x" * 300_000,
            }
        )
        if rows is None:
            return
        columns = [{"name": "id", "type": "bigint"}, {"name": "amount", "type": "decimal(12,2)"}]
        self.structures.put_item(Item={"table_id": table_id, "version": 1, "columns": []})
        self.structures.put_item(Item={"table_id": table_id, "version": 2, "columns": columns})
        self.runs.put_item(Item={"table_id": table_id, "run_id": "CURRENT", "committed_run_id": "r1"})
        self.runs.put_item(Item={"table_id": table_id, "run_id": "r1", "rows_total": rows})

    def plan(self, **event: Any) -> dict[str, Any]:
        sources = self._handler.Sources(
            self.settings,
            self.structures,
            self.runs,
            self.ssm,
            "/lake/ingest",
            {"shell": "ingest-shell", "spark": "ingest-spark"},
        )
        return self._handler.plan({"run_id": "run-1", **event}, sources)


@pytest.fixture
def lake(modules: tuple[ModuleType, ModuleType], monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield Lake(modules[0])


def test_answer_has_the_shape_that_the_state_machine_reads(lake: Lake) -> None:
    lake.add("erp.Group", engine="shell")

    assert lake.plan() == {
        "run_id": "run-1",
        "max_concurrency": 3,
        "tables": [
            {
                "table_id": "erp.Group",
                "engine": "shell",
                "job_name": "ingest-shell",
                "database": "erp",
                "table": "group",
                "count_query": 'SELECT count(*) FROM "erp"."group"',
            }
        ],
    }


def test_every_enabled_table_is_planned_however_many_pages_the_settings_take(lake: Lake) -> None:
    names = [f"erp.t{number:02}" for number in range(12)]
    for name in names:
        lake.add(name)
    lake.add("erp.off", enabled=False)

    assert [table["table_id"] for table in lake.plan()["tables"]] == names


def test_only_the_requested_tables_are_planned(lake: Lake) -> None:
    for name in ("erp.a", "erp.b", "erp.c"):
        lake.add(name)

    planned = lake.plan(tables=["erp.c", "erp.a", "erp.c"])

    assert [table["table_id"] for table in planned["tables"]] == ["erp.a", "erp.c"]


def test_an_unknown_table_is_refused_by_name(lake: Lake, planning: ModuleType) -> None:
    lake.add("erp.orders")

    with pytest.raises(planning.UnknownTableError, match=r"job_settings holds no erp\.ordres"):
        lake.plan(tables=["erp.orders", "erp.ordres"])


def test_a_disabled_table_is_not_ingested_by_asking_for_it(lake: Lake, planning: ModuleType) -> None:
    lake.add("erp.orders", enabled=False)

    with pytest.raises(planning.UnknownTableError, match=r"Disabled in job_settings: erp\.orders"):
        lake.plan(tables=["erp.orders"])


@pytest.mark.parametrize(
    "event", [{"tables": []}, {"tables": "erp.orders"}, {"tables": [1]}, {"table": ["x"]}]
)
def test_an_input_of_another_shape_is_refused(
    event: dict[str, Any], lake: Lake, planning: ModuleType
) -> None:
    with pytest.raises(planning.BadInputError, match="tables"):
        lake.plan(**event)


def test_a_table_as_large_as_the_threshold_goes_to_spark_and_the_largest_start_first(lake: Lake) -> None:
    row = 8 + 16  # bigint and decimal of the newest structure
    lake.add("erp.below", rows=THRESHOLD // row)
    lake.add("erp.at", rows=-(-THRESHOLD // row))
    lake.add("erp.new")

    planned = [(table["table_id"], table["engine"]) for table in lake.plan()["tables"]]

    assert planned == [("erp.at", "spark"), ("erp.below", "shell"), ("erp.new", "shell")]


def test_a_chosen_engine_holds_whatever_the_size_and_spark_starts_first(lake: Lake) -> None:
    lake.add("erp.large", engine="shell", rows=THRESHOLD)
    lake.add("erp.new", engine="spark")

    planned = [(table["table_id"], table["job_name"]) for table in lake.plan()["tables"]]

    assert planned == [("erp.new", "ingest-spark"), ("erp.large", "ingest-shell")]


def test_an_engine_that_does_not_exist_is_refused_with_its_table(lake: Lake, planning: ModuleType) -> None:
    lake.add("erp.orders", engine="flink")

    with pytest.raises(planning.BadSettingsError, match=r"erp\.orders: engine is 'flink'"):
        lake.plan()


@pytest.mark.parametrize("value", ["many", "-1", "2.5"])
def test_a_parameter_that_is_no_whole_number_is_refused_by_name(
    value: str, lake: Lake, planning: ModuleType
) -> None:
    lake.put_parameter("max_concurrency", value)

    with pytest.raises(planning.BadSettingsError, match="/lake/ingest/max_concurrency"):
        lake.plan()


def test_a_missing_parameter_is_refused_by_name(lake: Lake, planning: ModuleType) -> None:
    lake.ssm.delete_parameter(Name="/lake/ingest/max_concurrency")

    with pytest.raises(planning.BadSettingsError, match="/lake/ingest/max_concurrency"):
        lake.plan()


def test_names_in_the_count_query_are_quoted(planning: ModuleType) -> None:
    settings = {"table_id": "x", "target_database": "erp", "target_table": 'odd"name'}

    planned = planning.plan_table(settings, "shell", {"shell": "job"})

    assert planned["count_query"] == 'SELECT count(*) FROM "erp"."odd""name"'
