"""The planning Lambda against DynamoDB tables, a Parameter Store and a bucket of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from lambda_modules import lambda_modules
from moto import mock_aws
from settings_items import settings_item

MEGABYTE = 1_000_000
THRESHOLD = 100 * MEGABYTE
RATES = {
    "DPU_HOUR_USD": "0.44",
    "FLEX_DPU_HOUR_USD": "0.29",
    "SHELL_DPU": "0.0625",
    "SHELL_BYTES_PER_SECOND": "8000000",
    "SPARK_BYTES_PER_SECOND": "25000000",
    "SHELL_TABLE_SECONDS": "2",
    "SPARK_START_SECONDS": "60",
    "TARGET_SECONDS": "900",
    "MAX_WORKERS": "4",
}


@pytest.fixture(scope="module")
def modules() -> Iterator[SimpleNamespace]:
    with lambda_modules("plan", "handler", "planning", "errors", "sizes", "costs", "batches") as modules:
        yield modules


class Lake:
    """The tables and parameters that the Lambda reads, and sizes as the source would tell them."""

    def __init__(self, modules: SimpleNamespace) -> None:
        self._modules = modules
        self.dynamodb = boto3.resource("dynamodb", region_name="eu-west-1")
        self.ssm = boto3.client("ssm", region_name="eu-west-1")
        self.s3 = boto3.client("s3", region_name="eu-west-1")
        self.s3.create_bucket(Bucket="results", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        self.settings = self._table("job_settings", ("table_id", "S"))
        self.structures = self._table("table_structures", ("table_id", "S"), ("version", "N"))
        self.runs = self._table("ingest_runs", ("table_id", "S"), ("run_id", "S"))
        self.sizes: dict[tuple[str, str], Any] = {}
        self.asked: list[set[str]] = []
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

    def add(self, table_id: str, size: int | None = None, **settings: Any) -> None:
        schema, table = table_id.split(".", 1)
        self.settings.put_item(
            Item={
                # DynamoDB answers a scan in pages of 1 MB: this makes a page of a few items.
                "padding": "x" * 300_000,
                **settings_item(table_id, **{"key_columns": ["Id"], "split_partitions": 8, **settings}),
            }
        )
        columns = [{"name": "id", "source_name": "Id"}]
        self.structures.put_item(Item={"table_id": table_id, "version": 1, "columns": []})
        self.structures.put_item(Item={"table_id": table_id, "version": 2, "columns": columns})
        if size is not None:
            self.sizes[schema, table] = self._modules.sizes.Size(size, size // 100)

    def commit(self, table_id: str, run_id: str, **run: Any) -> None:
        self.runs.put_item(Item={"table_id": table_id, "run_id": "CURRENT", "committed_run_id": run_id})
        self.runs.put_item(Item={"table_id": table_id, "run_id": run_id, "status": "COMMITTED", **run})

    def _read_sizes(self, schemas: Any) -> Any:
        self.asked.append(set(schemas))
        return self.sizes

    def answer(self, **event: Any) -> dict[str, Any]:
        """What the state machine gets."""
        sources = self._modules.handler.Sources(
            self.dynamodb,
            self.settings,
            self.structures,
            self.runs,
            self.ssm,
            "/lake/ingest",
            {"shell": "ingest-shell", "spark": "ingest-spark"},
            self._modules.costs.Rates.from_environment(RATES),
            self._read_sizes,
            self.s3,
            "results",
        )
        head = {
            "run_id": "run-1",
            "ingest_date": "2026-11-23",
            "started_at": "2026-11-23T02:00:40.123Z",
        }
        answer: dict[str, Any] = self._modules.handler.plan({**head, **event}, sources)
        return answer

    def plan(self, **event: Any) -> dict[str, Any]:
        """The plan that is written, and the tables of all its batches."""
        answer = self.answer(**event)
        written = self.s3.get_object(Bucket=answer["bucket"], Key=answer["key"])["Body"].read()
        plan: dict[str, Any] = json.loads(written)
        assert plan["run_id"] == answer["run_id"]
        assert (answer["tables"], answer["skipped"]) == (
            sum(len(batch["items"]) for batch in plan["batches"]),
            len(plan["skipped"]),
        )
        return {**plan, "tables": [item["table"] for batch in plan["batches"] for item in batch["items"]]}


@pytest.fixture
def lake(modules: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield Lake(modules)


def test_answer_has_the_shape_that_the_state_machine_reads(lake: Lake) -> None:
    lake.add("erp.Group", 8 * MEGABYTE)
    lake.commit("erp.Group", "r0", rows_total=90)

    assert lake.answer() == {
        "run_id": "run-1",
        "ingest_date": "2026-11-23",
        "expires_at": "1829959240",
        "max_concurrency": 3,
        "bucket": "results",
        "key": "plans/run-1/plan.json",
        "prefix": "plans/run-1",
        "tables": 1,
        "skipped": 0,
    }
    [batch] = lake.plan()["batches"]
    assert batch["job"] == {"job_name": "ingest-shell", "dpu": "0.0625", "dpu_hour_usd": "0.44"}
    [item] = batch["items"]
    assert item["schema"] == {"is_ready": False, "schema_changes": []}
    assert item["table"] == {
        "table_id": "erp.Group",
        "engine": "shell",
        "job_name": "ingest-shell",
        "database": "erp",
        "table": "group",
        "arguments": {
            "--table_id": "erp.Group",
            "--run_id": "run-1",
            "--ingest_date": "2026-11-23",
            "--dpu": "0.0625",
            "--dpu_hour_usd": "0.44",
        },
        "checks": [
            'SELECT coalesce(sum(n), 0), coalesce(sum(n) FILTER (WHERE "id" IS NULL), 0), '
            'coalesce(sum(n - 1) FILTER (WHERE NOT ("id" IS NULL)), 0) FROM '
            '(SELECT "id", count(*) AS n FROM "erp"."group" GROUP BY "id") AS grouped'
        ],
        "maintenance": [
            'OPTIMIZE "erp"."group" REWRITE DATA USING BIN_PACK',
            'VACUUM "erp"."group"',
        ],
        "estimated_bytes": 8 * MEGABYTE,
        "estimated_rows": 80_000,
        "estimated_seconds": 1.0,
        "estimated_cost_usd": 0.000458,
        "previous_rows": 90,
    }


def test_a_spark_run_says_how_large_it_is_and_what_it_costs(lake: Lake) -> None:
    lake.add("erp.lines", 1000 * MEGABYTE)

    [table] = lake.plan()["tables"]

    assert (table["job_name"], table["workers"], table["execution_class"]) == ("ingest-spark", 2, "FLEX")
    assert {name: table["arguments"][name] for name in ("--dpu", "--dpu_hour_usd", "--split_partitions")} == {
        "--dpu": "2",
        "--dpu_hour_usd": "0.29",
        "--split_partitions": "8",
    }


def test_every_enabled_table_is_planned_however_many_pages_the_settings_take(lake: Lake) -> None:
    names = [f"erp.t{number:02}" for number in range(12)]
    for name in names:
        lake.add(name)
    lake.add("erp.off", enabled=False)

    assert [table["table_id"] for table in lake.plan()["tables"]] == names


def test_what_takes_longest_comes_first(lake: Lake) -> None:
    lake.add("erp.a", 10 * MEGABYTE)
    lake.add("erp.b", 900 * MEGABYTE)
    lake.add("erp.c", 50 * MEGABYTE)

    assert [table["table_id"] for table in lake.plan()["tables"]] == ["erp.b", "erp.c", "erp.a"]


def test_a_table_that_is_not_due_is_skipped_unless_it_is_named(lake: Lake) -> None:
    lake.add("erp.a", schedule="rate(7 days)")
    lake.add("erp.b", schedule="rate(1 day)")
    for name in ("erp.a", "erp.b"):
        lake.commit(name, "r0", started_at="2026-11-22T02:01:00.000+00:00")

    planned = lake.plan()
    assert [table["table_id"] for table in planned["tables"]] == ["erp.b"]
    assert planned["skipped"] == [{"table_id": "erp.a", "reason": "not due: rate(7 days)"}]
    named = lake.plan(tables=["erp.a", "erp.a"])
    assert [table["table_id"] for table in named["tables"]] == ["erp.a"]


def test_only_the_schemas_of_the_tables_are_looked_at(lake: Lake) -> None:
    lake.add("erp.a")
    lake.add("tpch.b")

    lake.plan(tables=["tpch.b"])

    assert lake.asked == [{"tpch"}]


def test_a_dropped_file_goes_to_the_shell_job_and_the_source_is_not_asked(lake: Lake) -> None:
    lake.add("erp.a", engine="spark")

    [table] = lake.plan(file={"bucket": "raw", "key": "drop/erp.a/new rows.csv"})["tables"]

    assert table["engine"] == "shell"
    assert table["source_file"] == table["arguments"]["--source_file"] == "s3://raw/drop/erp.a/new rows.csv"
    assert lake.asked == []


def test_a_replay_has_the_old_runs_name_and_day_and_leaves_out_what_is_committed(
    lake: Lake, modules: SimpleNamespace
) -> None:
    for name in ("erp.a", "erp.b", "erp.c"):
        lake.add(name)
    lake.runs.put_item(Item={"table_id": "erp.a", "run_id": "old", "status": "FAILED"})
    lake.runs.put_item(Item={"table_id": "erp.b", "run_id": "old", "status": "COMMITTED"})

    planned = lake.plan(replay={"run_id": "old", "ingest_date": "2026-11-01"})

    assert (planned["run_id"], planned["ingest_date"]) == ("old", "2026-11-01")
    [table] = planned["tables"]
    assert (table["arguments"]["--run_id"], table["arguments"]["--ingest_date"]) == ("old", "2026-11-01")
    assert {one["table_id"]: one["reason"] for one in planned["skipped"]} == {
        "erp.b": "committed already",
        "erp.c": "not part of that run",
    }
    with pytest.raises(modules.errors.UnknownRunError, match="no table of the run never"):
        lake.plan(replay={"run_id": "never", "ingest_date": "2026-11-01"})


@pytest.mark.parametrize(
    ("event", "error", "why"),
    [
        ({"tables": ["erp.a", "erp.godo"]}, "UnknownTableError", r"job_settings holds no erp\.godo"),
        ({"tables": ["erp.off"]}, "UnknownTableError", r"Disabled in job_settings: erp\.off"),
        ({"tables": []}, "BadInputError", "a list of names that is not empty"),
        ({"tables": "erp.a"}, "BadInputError", "a list of names that is not empty"),
        ({"table": ["erp.a"]}, "BadInputError", "The input holds table; it may hold tables, file, replay"),
        ({"file": "s3://raw/drop/erp.a/x.csv"}, "BadInputError", "an object with bucket and key"),
        ({"file": {"bucket": "b", "key": "drop/erp.a/x.zip"}}, "BadInputError", "of the format zip"),
        ({"file": {"bucket": "b", "key": "drop/erp.a"}}, "BadInputError", "is not drop/TABLE_ID/NAME"),
        ({"file": {"bucket": "b", "key": "drop/erp.x/y.csv"}}, "UnknownTableError", r"holds no erp\.x"),
        ({"replay": "old"}, "BadInputError", "an object with run_id and ingest_date"),
    ],
)
def test_an_input_that_makes_no_sense_is_refused(
    event: dict[str, Any], error: str, why: str, lake: Lake, modules: SimpleNamespace
) -> None:
    lake.add("erp.a")
    lake.add("erp.off", enabled=False)

    with pytest.raises(getattr(modules.errors, error), match=why):
        lake.plan(**event)


def test_a_parameter_that_is_no_number_is_named(lake: Lake, modules: SimpleNamespace) -> None:
    lake.add("erp.a")
    lake.put_parameter("max_concurrency", "many")

    with pytest.raises(modules.errors.BadSettingsError, match="/lake/ingest/max_concurrency is 'many'"):
        lake.plan()


def test_a_table_without_a_key_is_only_counted(modules: SimpleNamespace) -> None:
    assert modules.planning.check_query('"erp"."log"', []) == 'SELECT count(*), 0, 0 FROM "erp"."log"'


def table(table_id: str, seconds: float, engine: str = "shell", **more: Any) -> dict[str, Any]:
    arguments = {"--table_id": table_id, "--dpu": "0.0625", "--dpu_hour_usd": "0.44"}
    planned = {"table_id": table_id, "engine": engine, "job_name": f"ingest-{engine}", "arguments": arguments}
    return {**planned, "estimated_seconds": seconds, "estimated_cost_usd": 0.000458, **more}


def names(found: list[dict[str, Any]]) -> list[list[str]]:
    return [[item["table"]["table_id"] for item in batch["items"]] for batch in found]


def test_small_tables_share_a_run_until_its_minute_is_full_and_spark_and_files_do_not(
    modules: SimpleNamespace,
) -> None:
    rates = modules.costs.Rates.from_environment(RATES)
    found = modules.batches.batches(
        [
            table("long", 70.0),
            table("large", 90.0, "spark"),
            table("half", 40.0),
            table("other half", 30.0),
            *(table(f"small {number}", 1.0) for number in range(14)),
            table("dropped", 0.0, source_file="s3://raw/drop/x/y.csv"),
        ],
        rates,
    )
    assert names(found) == [
        ["long"],
        ["large"],
        ["half", *(f"small {number}" for number in range(6))],
        ["other half", *(f"small {number}" for number in range(6, 14))],
        ["dropped"],
    ]
    shared = found[2]["items"]
    assert [item["table"]["estimated_cost_usd"] for item in shared[:2]] == [
        pytest.approx(40 / 3600 * 0.0625 * 0.44, abs=1e-6),
        pytest.approx(60 / 7 / 3600 * 0.0625 * 0.44, abs=1e-6),
    ]
    assert found[0]["items"][0]["table"]["estimated_cost_usd"] == 0.000458


def test_a_batch_has_no_more_tables_than_a_map_runs_at_once(modules: SimpleNamespace) -> None:
    rates = modules.costs.Rates.from_environment({**RATES, "SHELL_TABLE_SECONDS": "0"})
    found = modules.batches.batches([table(f"t{number}", 0.0) for number in range(90)], rates)
    assert [len(batch["items"]) for batch in found] == [40, 40, 10]


def test_structures_of_many_tables_are_read_by_a_scan_and_the_newest_counts(
    lake: Lake, modules: SimpleNamespace
) -> None:
    wanted = [f"erp.t{number:02}" for number in range(modules.handler.MOST_QUERIES + 1)]
    for name in wanted:
        lake.add(name)
    asked: set[str] = set()
    events = lake.structures.meta.client.meta.events
    events.register("before-call.dynamodb", lambda model, **_: asked.add(model.name))

    planned = lake.plan()

    assert all('"id" IS NULL' in one["checks"][0] for one in planned["tables"]), "version 2 names the key id"
    assert "Query" not in asked
