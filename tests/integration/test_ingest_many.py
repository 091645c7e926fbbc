"""An ingest of many tables: a hundred are ingested in a few runs, two thousand are planned at once."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from engine_fixtures import started_engine
from orchestration_fixtures import PREFIX, Lab, orchestration, tools
from settings_items import settings_item

from lake.ingest import read_plan

INGESTED, PLANNED, ROWS = 100, 2000, 100
SETTINGS = {"source_schema": "lab", "engine": "shell", "load_mode": "full", "urgent": False}

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with (
        started_engine(tmp_path_factory.mktemp("engine"), shell_python=tools().shell_python) as engine,
        orchestration(tmp_path_factory.mktemp("many"), engine) as lab,
    ):
        yield lab


def declare(lab: Lab, names: list[str]) -> None:
    """Tables with a key and a text, and their items."""
    lab.execute(
        *(
            f"CREATE TABLE lab.{name} AS"
            f" SELECT id, 'row ' || id AS note FROM generate_series(1, {ROWS}) AS id"
            for name in names
        )
    )
    columns = [
        {"name": name, "source_name": name, "source_type": kind, "type": type_, "nullable": True}
        for name, kind, type_ in (("id", "integer", "int"), ("note", "text", "string"))
    ]
    with lab.table("table_structures").batch_writer() as structures:
        for name in names:
            item = {"table_id": f"lab.{name}", "version": 1, "columns": columns, "partitions": []}
            structures.put_item(Item=item)
    with lab.table("job_settings").batch_writer() as settings:
        for name in names:
            settings.put_item(Item=settings_item(f"lab.{name}", **{"key_columns": ["id"], **SETTINGS}))


def test_a_hundred_tables_are_ingested_in_a_few_runs(lab: Lab) -> None:
    names = [f"t{number:04}" for number in range(INGESTED)]
    declare(lab, names)

    began = time.monotonic()
    outcome = lab.ingest([f"lab.{name}" for name in names])
    sys.stdout.write(f"{INGESTED} tables of {ROWS} rows: {time.monotonic() - began:.0f} s\n")

    assert outcome.error is None
    assert outcome.final == dict.fromkeys(names, "COMMITTED")
    runs = lab.client("glue").get_job_runs(JobName=f"{PREFIX}-ingest-shell")["JobRuns"]
    batches = [len(json.loads(one["Arguments"]["--table_ids"])) for one in runs]
    assert sorted(batches) == [10, 30, 30, 30]
    cost = sum((outcome.item(name)["estimated_cost_usd"] for name in names), Decimal(0))
    alone = Decimal(INGESTED) * 60 * Decimal("0.0625") * Decimal("0.44") / 3600
    sys.stdout.write(f"{cost} USD of Glue; a run for each: {alone:.6f} USD\n")
    assert cost < alone / 10


def test_two_thousand_tables_are_planned_at_once(lab: Lab) -> None:
    names = [f"p{number:04}" for number in range(PLANNED)]
    declare(lab, names)
    now = datetime.now(UTC)
    event = {
        "run_id": "many",
        "tables": [f"lab.{name}" for name in names],
        "ingest_date": now.date().isoformat(),
        "started_at": now.isoformat(timespec="milliseconds"),
    }

    began = time.monotonic()
    answer = lab.client("lambda").invoke(FunctionName=f"{PREFIX}-plan", Payload=json.dumps(event))
    content = answer["Payload"].read()
    sys.stdout.write(
        f"{PLANNED} tables: planned in {time.monotonic() - began:.1f} s, {len(content)} bytes of answer\n"
    )

    assert "FunctionError" not in answer, content
    place = json.loads(content)
    assert place["tables"] == PLANNED
    assert len(content) < 1000
    plan = read_plan(lab.aws, place)
    assert len({table["table_id"] for table in plan["tables"]}) == PLANNED
    assert max(len(batch["items"]) for batch in plan["batches"]) <= 40
