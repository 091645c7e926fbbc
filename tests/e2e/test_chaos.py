"""What a run leaves behind wherever it breaks: never a row lost or doubled, never half a table.

At each of 40 points, drawn from a seed over the calls that a clean run makes, rows of a table change, its
ingest is hit by one fault, readers look at that moment, and one more run makes lake and source equal.

``MILLPOND_CHAOS_SEED`` and ``MILLPOND_CHAOS_POINTS`` choose other points, and how many.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from chaos_lake import (
    TABLES,
    Lake,
    athena_calls,
    function_calls,
    job_calls,
    machine_calls,
    wait_for,
)
from chaos_points import FUNCTIONS, Call, Point, aim, draw
from checkouts import checkout_of_its_own

from lake.verify.compare import TableComparison

SEED = int(os.environ.get("MILLPOND_CHAOS_SEED", "20261123"))
COUNT = int(os.environ.get("MILLPOND_CHAOS_POINTS", "40"))
POINTS = draw(SEED, COUNT)
# What boto3 tries by itself before it gives up ("Retries" in its guide, legacy mode).
ATTEMPTS_OF_BOTO3 = 5
# What no client tries again, and no state of the state machine.
DENIED = {"statusCode": 403, "code": "AccessDenied"}
S3_WRITES = ("PutObject", "CopyObject")

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

Look = Callable[[], None]


@pytest.fixture(scope="module")
def lake() -> Iterator[Lake]:
    with checkout_of_its_own() as checkout:
        made = Lake(checkout)
        made.prepare()
        print(f"MILLPOND_CHAOS_SEED={SEED}")
        yield made


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_after_a_fault_readers_see_all_or_nothing_and_one_more_run_makes_all_equal(lake: Lake, point: Point):
    lake.change(point.table)
    [start] = lake.compare(point.table)
    before, after = _lake_side(start), _source_side(start)
    assert before != after, "nothing was changed"

    def look() -> None:
        [now] = lake.compare(point.table)
        assert _lake_side(now) in (before, after), f"readers see neither: {now}"

    executions = SCENARIOS[point.kind](lake, point, look)

    succeeded = [lake.ended(one)["status"] == "SUCCEEDED" for one in executions]
    print(*(lake.story(one) for one in executions), sep="\n")
    if not succeeded[-1]:
        [end] = lake.compare(point.table)
        assert end.is_equal if any(succeeded) else _lake_side(end) in (before, after), end
        is_replayed = point.number % 2 and lake.has_item(executions[-1], point.table)
        lake.must_succeed(lake.replay(executions[-1]) if is_replayed else lake.start(point.table))
    assert [one for one in lake.compare(*TABLES) if not one.is_equal] == []
    assert lake.doubled_quarantine() == []


def _lake_side(comparison: TableComparison) -> tuple[object, ...]:
    assert comparison.error is None, comparison.error
    return comparison.rows_athena, comparison.checksum_athena


def _source_side(comparison: TableComparison) -> tuple[object, ...]:
    return comparison.rows_onprem, comparison.checksum_onprem


def kill_job(action: str) -> Callable[[Lake, Point, Look], list[str]]:
    """The job's process group is killed in the midst of a call: before the engine does it, or after."""

    def strike(lake: Lake, point: Point, look: Look) -> list[str]:
        calls = job_calls(lake, point.table)
        with lake.faults(_aim(point, calls, calls, action=action, times=1)):
            execution = lake.start(point.table)
            lake.held(execution)
            lake.kill_job()
            look()
        return [execution]

    return strike


def kill_function(action: str) -> Callable[[Lake, Point, Look], list[str]]:
    """The same of a Lambda function's process."""

    def strike(lake: Lake, point: Point, look: Look) -> list[str]:
        function = FUNCTIONS[point.number % len(FUNCTIONS)]
        calls = function_calls(lake, point.table, function)
        with lake.faults(_aim(point, calls, calls, action=action, times=1)):
            execution = lake.start(point.table)
            lake.held(execution)
            lake.kill_function(function)
            look()
        return [execution]

    return strike


def kill_register(lake: Lake, point: Point, _look: Look) -> list[str]:
    """The registering function is killed after it has written a version, before it has answered.

    Readers are not asked: until the run is applied, the newest structure has a column that the lake has not.
    """
    lake.add_column(point.table)
    writing = {"service": "dynamodb", "operation": "PutItem", "caller": "*:assumed-role/*-register/*"}
    with lake.faults({**writing, "action": "hold-answer", "times": 1}):
        execution = lake.start(point.table)
        lake.held(execution)
        lake.kill_function("register")
    return [execution]


def cut_reading(lake: Lake, point: Point, look: Look) -> list[str]:
    """The database ends the job's connections while it reads the table."""
    calls = job_calls(lake, point.table)
    first = aim(calls, calls[0], action="hold", times=1)
    with lake.faults(first):
        execution = lake.start(point.table)
        lake.held(execution)
        with lake.locked(point.table):
            lake.release()
            wait_for("read of the locked table", lake.waits_for_lock)
            assert lake.cut_connections() > 0
    look()
    return [execution]


def cut_landing(lake: Lake, point: Point, look: Look) -> list[str]:
    """The database ends the job's connection while what was read goes to S3."""
    calls = job_calls(lake, point.table)
    puts = [call for call in calls if call["operation"] == "PutObject"]
    with lake.faults(aim(calls, puts[0], action="hold", times=1)):
        execution = lake.start(point.table)
        lake.held(execution)
        assert lake.cut_connections() > 0
        look()
    return [execution]


def break_calls(
    which: Callable[[Lake, str], list[Call]], wanted: Callable[[Call], bool], times: int, **rest: Any
) -> Callable[[Lake, Point, Look], list[str]]:
    """Calls fail, from one on, so many times, or all until the run is over."""

    def strike(lake: Lake, point: Point, look: Look) -> list[str]:
        calls = which(lake, point.table)
        rule = _aim(point, calls, [call for call in calls if wanted(call)], times=times, **rest)
        with lake.faults(rule):
            execution = lake.start(point.table)
            lake.struck(execution, times or 1)
            if times is None:
                lake.ended(execution)
        look()
        return [execution]

    return strike


def two_at_once(lake: Lake, point: Point, look: Look) -> list[str]:
    """A second execution of the table begins while the first one's job is in the midst of a call."""
    calls = job_calls(lake, point.table)
    with lake.faults(_aim(point, calls, calls[4:-1], action="hold", times=1)):
        first = lake.start(point.table)
        lake.held(first)
        second = lake.start(point.table)
        wait_for("second job that is refused", lambda: lake.has_entered(second, "WaitForAnotherRun"))
        look()
    return [first, second]


def overtaken(lake: Lake, point: Point, look: Look) -> list[str]:
    """A run stands still for so long that it loses its lease, and goes on after another has committed."""
    calls = job_calls(lake, point.table)
    writes = [call for call in calls[5:] if call["operation"] in (*S3_WRITES, "UpdateTable")]
    with lake.faults(_aim(point, calls, writes, action="hold", times=1)):
        first = lake.start(point.table)
        lake.held(first)
        with lake.paused_job():
            lake.expire_lease(point.table)
            second = lake.start(point.table)
            lake.must_succeed(second)
        look()
    lake.ended(first)
    return [second, first]


def stopped(lake: Lake, point: Point, look: Look) -> list[str]:
    """Somebody stops the execution in the midst of the job, and nobody waits for the end of its lease."""
    calls = job_calls(lake, point.table)
    with lake.faults(_aim(point, calls, calls[4:-1], action="hold", times=1)):
        execution = lake.start(point.table)
        lake.held(execution)
        lake.stop(execution)
        look()
    lake.expire_lease(point.table)
    return [execution]


def replay(lake: Lake, point: Point, look: Look) -> list[str]:
    """A run has landed and fails, a later one brings newer rows, and then the old one is replayed."""
    calls = job_calls(lake, point.table)
    late = [call for call in calls[len(calls) // 2 :] if call["service"] in ("s3", "glue")]
    rule = _aim(point, calls, late, error=DENIED)
    with lake.faults(rule):
        old = lake.start(point.table)
        assert lake.ended(old)["status"] == "FAILED"
        assert lake.rules()[0]["hits"]
    look()
    lake.change(point.table)
    later = lake.start(point.table)
    lake.must_succeed(later)
    return [later, lake.replay(old)]


def _aim(point: Point, calls: Sequence[Call], candidates: Sequence[Call], **rest: Any) -> dict[str, Any]:
    rule = aim(calls, point.choose(candidates), **rest)
    print(rule)
    return rule


def _is_s3(call: Call) -> bool:
    return call["service"] == "s3"


def _is_write_of_s3(call: Call) -> bool:
    return _is_s3(call) and call["operation"] in S3_WRITES


def _is_once_for_all(call: Call) -> bool:
    """Not a question that the state machine asks again and again."""
    return call["operation"] not in ("GetJobRun", "GetQueryExecution")


LOST = {"action": "drop-answer"}
SCENARIOS: dict[str, Callable[[Lake, Point, Look], list[str]]] = {
    "kill-job-before": kill_job("hold"),
    "kill-job-after": kill_job("hold-answer"),
    "cut-database-reading": cut_reading,
    "cut-database-landing": cut_landing,
    "s3-answers-503": break_calls(job_calls, _is_s3, ATTEMPTS_OF_BOTO3),
    "s3-answers-once-lost": break_calls(job_calls, _is_write_of_s3, 1, **LOST),
    "s3-answers-lost": break_calls(job_calls, _is_write_of_s3, ATTEMPTS_OF_BOTO3, **LOST),
    "answer-lost": break_calls(job_calls, lambda call: not _is_s3(call), 1, **LOST),
    "table-answer-lost": break_calls(job_calls, lambda call: call["operation"] == "UpdateTable", 1, **LOST),
    "kill-function-before": kill_function("hold"),
    "kill-function-after": kill_function("hold-answer"),
    "machine-answered-500": break_calls(
        machine_calls, _is_once_for_all, 1, error={"statusCode": 500, "code": "InternalServerError"}
    ),
    "machine-answer-lost": break_calls(machine_calls, _is_once_for_all, 1, **LOST),
    "commit-answer-lost": break_calls(
        machine_calls, lambda call: call["operation"] == "TransactWriteItems", 1, **LOST
    ),
    "athena-s3-answers-503": break_calls(athena_calls, lambda call: True, None),
    "two-at-once": two_at_once,
    "kill-register": kill_register,
    "overtaken": overtaken,
    "stopped": stopped,
    "replay": replay,
}
