"""What an engine keeps of work that is done: memory, threads, open files, processes and folders.

``MILLPOND_SOAK`` multiplies how much is done; 1 is 500 job runs, 2,000 queries, 1,000 executions and 1,000
invocations. The history of runs, queries and executions is part of AWS's answers and stays (AWS keeps it for
45 and 90 days), so memory may grow by what a piece of it takes, and by nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from engine_fixtures import RunningEngine, started_engine
from waiting import wait_until

from millpond.base import process
from millpond.base.waiting import scaled

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(4 * 3600)]

SCALE = float(os.environ.get("MILLPOND_SOAK", "1"))
AT_ONCE = 2
# What caches, arenas of the allocator and clients may take however much is done.
SLACK_BYTES = 40 * 2**20
FINAL = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "CANCELLED", "STOPPED", "TIMEOUT", "ERROR")
ENDS = 600.0


@dataclass(frozen=True)
class Size:
    """What an engine holds."""

    memory: int
    threads: int
    files: int
    children: int
    folders: int

    @classmethod
    def of(cls, running: RunningEngine) -> Size:
        owned = process.find(running.settings.state / "pids" / "engine.pid")
        assert owned is not None
        engine = psutil.Process(owned.pid)
        below = [
            running.settings.state / part for part in ("glue/runs", "functions", "athena", "codebuild/builds")
        ]
        folders = sum(len(list(one.iterdir())) for one in below if one.exists())
        return cls(
            engine.memory_info().rss,
            engine.num_threads(),
            engine.num_fds(),
            len(engine.children(recursive=True)),
            folders,
        )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    with started_engine(tmp_path_factory.mktemp("soak")) as engine:
        region = {"LocationConstraint": engine.settings.region}
        engine.client("s3").create_bucket(Bucket="soak", CreateBucketConfiguration=region)
        yield engine


def job_runs(running: RunningEngine) -> Callable[[], str]:
    glue = running.client("glue")
    running.client("s3").put_object(Bucket="soak", Key="job.py", Body=b"print('done')")
    command = {"Name": "pythonshell", "ScriptLocation": "s3://soak/job.py"}
    glue.create_job(
        Name="soak", Role=running.role(), Command=command, ExecutionProperty={"MaxConcurrentRuns": 50}
    )

    def run() -> str:
        run_id = glue.start_job_run(JobName="soak")["JobRunId"]
        return ended(lambda: glue.get_job_run(JobName="soak", RunId=run_id)["JobRun"]["JobRunState"])

    return run


def queries(running: RunningEngine) -> Callable[[], str]:
    athena = running.client("athena")

    def query() -> str:
        started = athena.start_query_execution(
            QueryString="SELECT count(*), sum(x) FROM (VALUES 1, 2, 3) AS t(x)",
            ResultConfiguration={"OutputLocation": "s3://soak/results/"},
        )["QueryExecutionId"]
        return ended(
            lambda: athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]["State"]
        )

    return query


def executions(running: RunningEngine) -> Callable[[], str]:
    stepfunctions = running.client("stepfunctions")
    states: dict[str, Any] = {
        "First": {"Type": "Pass", "Result": {"a": "x" * 100}, "Next": "Second"},
        "Second": {"Type": "Map", "ItemsPath": "$$.Execution.Input.items", "End": True},
    }
    states["Second"]["ItemProcessor"] = {"StartAt": "Each", "States": {"Each": {"Type": "Pass", "End": True}}}
    machine = stepfunctions.create_state_machine(
        name="soak", roleArn=running.role(), definition=json.dumps({"StartAt": "First", "States": states})
    )["stateMachineArn"]

    def execute() -> str:
        arn = stepfunctions.start_execution(stateMachineArn=machine, input='{"items": [1, 2, 3]}')[
            "executionArn"
        ]
        return ended(lambda: stepfunctions.describe_execution(executionArn=arn)["status"])

    return execute


def invocations(running: RunningEngine) -> Callable[[], str]:
    running.function("soak", "def handler(event, context):\n    print('x' * 200)\n    return event")
    awslambda = running.client("lambda")

    def invoke() -> str:
        answer = awslambda.invoke(FunctionName="soak", Payload=b"1")
        return "SUCCEEDED" if answer["Payload"].read() == b"1" else "FAILED"

    return invoke


def ended(look: Callable[[], str]) -> str:
    return wait_until("end", lambda: state if (state := look()) in FINAL else None, scaled(ENDS))


# Kind → how much of it at scale 1, and the bytes of memory that one may leave: its own history and its log.
KINDS: dict[str, tuple[Callable[[RunningEngine], Callable[[], str]], int, int]] = {
    "job runs": (job_runs, 500, 24 * 1024),
    "queries": (queries, 2000, 12 * 1024),
    "executions": (executions, 1000, 48 * 1024),
    "invocations": (invocations, 1000, 12 * 1024),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_done_leaves_its_history_and_nothing_else(running: RunningEngine, kind: str) -> None:
    prepare, most, bytes_each = KINDS[kind]
    count = max(10, round(most * SCALE))
    work = prepare(running)

    def do(times: int) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            assert set(pool.map(lambda _: work(), range(times))) == {"SUCCEEDED"}

    def size() -> Size:
        # Processes and threads of the last ones end a moment after their answers.
        wait_until("the end of processes", lambda: Size.of(running).children <= before.children, scaled(60))
        return Size.of(running)

    do(10)
    before = Size.of(running)
    # Caches fill in the first half; what still grows in the second grows for good.
    do(count - count // 2)
    between = size()
    do(count // 2)
    after = size()
    each = (after.memory - between.memory) / (count // 2)
    told = f"{kind}: {count} times, {each / 1024:.1f} KiB each in the second half"
    print(f"{told}; before {before}, between {between}, after {after}")  # noqa: T201 (what is asked of a soak)
    assert after.memory - before.memory < SLACK_BYTES + count * bytes_each
    assert after.threads <= before.threads + 8
    assert after.files <= before.files + 8
    assert after.folders <= before.folders


def test_the_soak_leaves_no_process_of_its_own(running: RunningEngine) -> None:
    recorded = process.find_all(running.settings.state / "pids")
    ours = [one.pid_file.name for one in recorded if one.pid_file.name.startswith("jr_")]
    assert ours == []
    assert Path(running.settings.state / "glue" / "runs").exists()
    assert list(Path(running.settings.state / "glue" / "runs").iterdir()) == []
