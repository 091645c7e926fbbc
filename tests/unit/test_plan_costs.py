"""Which engine a table is ingested with, and how parallel, by what it is estimated to cost."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from lambda_modules import lambda_modules
from settings_items import settings_item

GIGABYTE = 1_000_000_000
NO_THRESHOLD = 1 << 60


@pytest.fixture(scope="module")
def plan() -> Iterator[SimpleNamespace]:
    with lambda_modules("plan", "costs", "planning", "sizes", "errors") as modules:
        yield modules


def rates(plan: SimpleNamespace, **changes: float) -> Any:
    usual: dict[str, Any] = {
        "dpu_hour_usd": 0.44,
        "flex_dpu_hour_usd": 0.29,
        "shell_dpu": 0.0625,
        "shell_bytes_per_second": 10_000_000,
        "spark_bytes_per_second": 25_000_000,
        "shell_table_seconds": 2,
        "spark_start_seconds": 60,
        "target_seconds": 600,
        "max_workers": 10,
    }
    return plan.costs.Rates(**{**usual, **changes})


def chosen(plan: SimpleNamespace, size: int | None, threshold: int = NO_THRESHOLD, **settings: Any) -> Any:
    item = settings_item("erp.orders", **{"urgent": True, **settings})
    load = plan.planning.Load(size, None)
    return plan.planning.choose_engine(item, load, threshold, rates(plan))[0]


def test_a_run_is_billed_a_minute_at_least(plan: SimpleNamespace) -> None:
    estimate = plan.costs.estimate_shell(1000, rates(plan))
    assert estimate.seconds < 1
    assert estimate.usd == pytest.approx(60 / 3600 * 0.0625 * 0.44)


def test_the_small_job_takes_what_it_can_do_in_time_and_spark_the_rest(plan: SimpleNamespace) -> None:
    assert chosen(plan, 5 * GIGABYTE).engine == "shell"
    assert chosen(plan, 7 * GIGABYTE).engine == "spark"


def test_a_table_of_unknown_size_goes_to_the_cheaper_job(plan: SimpleNamespace) -> None:
    assert chosen(plan, None).engine == "shell"


def test_operators_bound_what_they_trust_the_small_job_with(plan: SimpleNamespace) -> None:
    assert chosen(plan, 2 * GIGABYTE, threshold=2 * GIGABYTE).engine == "spark"
    assert chosen(plan, 2 * GIGABYTE - 1, threshold=2 * GIGABYTE).engine == "shell"


def test_settings_that_name_an_engine_win(plan: SimpleNamespace) -> None:
    assert chosen(plan, 1, engine="spark").engine == "spark"
    assert chosen(plan, 100 * GIGABYTE, threshold=0, engine="shell").engine == "shell"
    with pytest.raises(plan.errors.BadSettingsError, match="engine is 'flink'"):
        chosen(plan, 1, engine="flink")


def test_spark_gets_as_few_workers_as_are_done_in_time(plan: SimpleNamespace) -> None:
    workers = {size: chosen(plan, size * GIGABYTE, engine="spark").workers for size in (1, 27, 54, 500)}
    assert workers == {1: 2, 27: 2, 54: 4, 500: 10}


def test_a_table_that_is_not_urgent_takes_flexible_execution(plan: SimpleNamespace) -> None:
    urgent = plan.costs.estimate_spark(GIGABYTE, rates(plan), is_urgent=True)
    patient = plan.costs.estimate_spark(GIGABYTE, rates(plan), is_urgent=False)
    assert patient.usd == pytest.approx(urgent.usd * 0.29 / 0.44)
    assert chosen(plan, GIGABYTE, engine="spark", urgent=False).dpu_hour_usd == 0.29


def test_when_nothing_is_done_in_time_the_faster_one_is_taken(plan: SimpleNamespace) -> None:
    slow = rates(plan, target_seconds=60, max_workers=2)
    shell, spark = (
        plan.costs.estimate_shell(100 * GIGABYTE, slow),
        plan.costs.estimate_spark(100 * GIGABYTE, slow, is_urgent=True),
    )
    assert plan.costs.choose(shell, spark, slow).engine == "spark"


@pytest.mark.parametrize(
    ("size", "workers", "most", "partitions"),
    [(1000, 2, 1, 1), (1000, 2, 8, 2), (GIGABYTE, 4, 32, 8), (100 * GIGABYTE, 4, 100, 32)],
)
def test_reads_in_parallel_are_large_enough_and_not_too_many(
    plan: SimpleNamespace, size: int, workers: int, most: int, partitions: int
) -> None:
    assert plan.costs.partitions(size, workers, most) == partitions


def test_an_incremental_run_is_expected_to_read_little_more_than_the_last_one(plan: SimpleNamespace) -> None:
    size = plan.sizes.Size(1_000_000, 10_000)
    load = plan.planning.expected_load
    known = plan.planning.History(has_watermark=True, rows_read=100, rows_total=10_000)
    assert load({"load_mode": "incremental"}, size, known) == plan.planning.Load(20_000, 200)
    assert load({"load_mode": "full"}, size, known) == plan.planning.Load(1_000_000, 10_000)
    first = plan.planning.History()
    assert load({"load_mode": "incremental"}, size, first) == plan.planning.Load(1_000_000, 10_000)
    assert load({"load_mode": "full"}, None, first) == plan.planning.Load(None, None)
