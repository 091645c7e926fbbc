"""Job runs in the worker's container, and in containers of their own. What they see is in tests/e2e."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from container_stack import Containers, new_settings
from docker.errors import NotFound
from waiting import scaled, wait_until

from millpond.base.config import CHECKOUT
from millpond.base.containers import OF_WORKER
from millpond.client.job_runs import ENDED
from millpond.planes.glue.containers import limits_of
from millpond.planes.glue.spark import local_size
from millpond.stack.compose import connect
from millpond.testing.containers import ContainerStack
from millpond.testing.jobs import BUCKET, ROLE, ensure_bucket_and_role, run_glue_job

OOM = "held = []\nwhile True: held.append(bytearray(64 * 1024 * 1024))\n"


@pytest.fixture
def script(tmp_path: Path):
    def write(text: str, name: str = "job") -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        return path

    return write


def run_of(containers: Containers, path: Path, **settings):
    return run_glue_job(containers.aws, path, arguments={}, command="pythonshell", settings=settings)


@dataclass(frozen=True)
class Going:
    """A run that ends only when something ends it."""

    containers: Containers
    job: str
    run_id: str

    @property
    def run(self) -> dict[str, Any]:
        found: Any = self.containers.aws.glue.get_job_run(JobName=self.job, RunId=self.run_id)
        return dict(found["JobRun"])

    def stop(self) -> None:
        self.containers.aws.glue.batch_stop_job_run(JobName=self.job, JobRunIds=[self.run_id])

    def ended_as(self, state: str) -> dict[str, Any]:
        wait_until("end of the run", lambda: self.run["JobRunState"] in ENDED)
        assert self.run["JobRunState"] == state, self.run
        return self.run


def start_sleeper(containers: Containers, tmp_path: Path, **settings: Any) -> Going:
    """Start a job that sleeps for longer than any test."""
    aws, name = containers.aws, f"sleeper-{secrets.token_hex(4)}"
    path = tmp_path / "sleeper.py"
    path.write_text("import subprocess\nsubprocess.run(['sleep', '4321'])\n")
    ensure_bucket_and_role(aws)
    aws.s3.upload_file(str(path), BUCKET, "sleeper.py")
    command = {"Name": settings.pop("command", "pythonshell"), "ScriptLocation": f"s3://{BUCKET}/sleeper.py"}
    aws.glue.create_job(Name=name, Role=ROLE, Command=command, **settings)
    return Going(containers, name, aws.glue.start_job_run(JobName=name)["JobRunId"])


def sleeps_in(container: Any) -> bool:
    return any("4321" in " ".join(process) for process in container.top()["Processes"])


def test_a_job_that_is_stopped_leaves_no_process_in_the_worker(containers, tmp_path: Path) -> None:
    worker = containers.container("glue")
    going = start_sleeper(containers, tmp_path)
    wait_until("process", lambda: sleeps_in(worker))
    going.stop()
    going.ended_as("STOPPED")
    assert not sleeps_in(worker)


def test_a_job_over_its_timeout_ends_as_TIMEOUT_and_leaves_no_process_in_the_worker(  # noqa: N802
    containers, tmp_path: Path
) -> None:
    worker = containers.container("glue")
    going = start_sleeper(containers, tmp_path, Timeout=1)
    wait_until("process", lambda: sleeps_in(worker))
    run = going.ended_as("TIMEOUT")
    assert run["ErrorMessage"] == "Job run timed out after 1 minutes"
    assert not sleeps_in(worker)


def test_a_worker_that_is_removed_under_a_run_is_named_and_up_makes_it_anew(
    containers, script, tmp_path: Path
) -> None:
    worker = containers.container("glue")
    going = start_sleeper(containers, tmp_path)
    wait_until("process", lambda: sleeps_in(worker))
    worker.remove(force=True)
    run = going.ended_as("FAILED")
    assert f"LAUNCH ERROR | The Glue worker's container {worker.name} is " in run["ErrorMessage"]
    containers.stack.up()
    assert run_of(containers, script("print('well')")).state == "SUCCEEDED"


def test_a_job_that_uses_up_the_workers_memory_fails_and_the_next_one_runs(containers, script) -> None:
    done = run_of(containers, script(OOM))
    assert done.state == "FAILED"
    assert "exit code 137" in done.error_message
    assert "1536 MiB of memory" in done.log
    assert run_of(containers, script("print('well')")).state == "SUCCEEDED"


def test_the_fixtures_test_a_job_in_containers(containers, tmp_path: Path) -> None:
    # Away from this repository's own settings of pytest.
    project = shutil.copytree(CHECKOUT / "tests" / "compose" / "example", tmp_path / "project")
    options = ["-p", "millpond.testing.plugin", "--millpond-tier", "compose"]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options, "check_job.py"],
        cwd=project,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=scaled(500),
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


@pytest.fixture(scope="module")
def per_run(containers: Containers) -> Iterator[Containers]:
    """The same stack with a container for each run."""
    own = containers.with_settings(glue_container_mode="per-run")
    own.stack.down()
    own.stack.up()
    yield own
    own.stack.down()
    containers.stack.up()


def run_containers(containers: Containers) -> list[Any]:
    worker = containers.container("glue").name
    found: list[Any] = containers.client.containers.list(
        all=True, filters={"label": f"{OF_WORKER}={worker}"}, ignore_removed=True
    )
    return found


def the_run_container(containers: Containers) -> Any:
    wait_until("container", lambda: any(one.status == "running" for one in run_containers(containers)))
    [container] = run_containers(containers)
    wait_until("process", lambda: sleeps_in(container))
    return container


def test_a_run_has_its_own_container_with_its_limits_and_leaves_none(per_run, script) -> None:
    done = run_of(per_run, script("import os\nprint('host', os.uname().nodename)\n"))
    assert done.state == "SUCCEEDED", done.log
    assert per_run.container("glue").id[:12] not in done.log
    starved = run_of(per_run, script(OOM), MaxCapacity=0.0625)
    assert starved.state == "FAILED"
    assert "1024 MiB of memory" in starved.log
    assert run_containers(per_run) == []


def test_a_spark_run_has_the_limits_of_its_worker_type_and_its_container_goes_when_it_is_stopped(
    per_run, tmp_path: Path
) -> None:
    workers = {"WorkerType": "G.1X", "NumberOfWorkers": 2}
    going = start_sleeper(per_run, tmp_path, command="glueetl", GlueVersion="5.0", **workers)
    host = the_run_container(per_run).attrs["HostConfig"]
    size = local_size(workers, os.cpu_count() or 1, per_run.container("glue").attrs["HostConfig"]["Memory"])
    limits = limits_of(workers, size, is_spark=True)
    assert host["Memory"] == host["MemorySwap"] == limits.memory_mb << 20
    assert host["NanoCpus"] == limits.cpus * 10**9
    going.stop()
    going.ended_as("STOPPED")
    assert run_containers(per_run) == []


def test_a_runs_container_that_is_removed_fails_the_run(per_run, tmp_path: Path) -> None:
    going = start_sleeper(per_run, tmp_path)
    container = the_run_container(per_run)
    container.remove(force=True)
    run = going.ended_as("FAILED")
    assert f"LAUNCH ERROR | The run's container {container.name} is gone" in run["ErrorMessage"]


def test_an_engine_that_was_killed_starts_again_without_the_containers_it_left(
    per_run, tmp_path: Path, script
) -> None:
    start_sleeper(per_run, tmp_path)
    left = the_run_container(per_run)
    per_run.container("engine").kill()
    assert left.id in {container.id for container in run_containers(per_run)}
    per_run.stack.up()
    assert run_of(per_run, script("print('well')")).state == "SUCCEEDED"
    assert run_containers(per_run) == []


def test_down_takes_the_container_of_a_run_with_it(per_run, tmp_path: Path) -> None:
    start_sleeper(per_run, tmp_path)
    container = the_run_container(per_run)
    per_run.stack.down()
    with pytest.raises(NotFound):
        per_run.client.containers.get(container.id)
    assert not per_run.client.networks.list(names=[f"{per_run.stack.project}_"])
    per_run.stack.up()


def test_fixtures_leave_nothing_of_a_run_behind(tmp_path: Path) -> None:
    settings = new_settings(tmp_path, tier="compose", glue_container_mode="per-run")
    client = connect()
    with ContainerStack(settings) as stack:
        start_sleeper(Containers(stack.settings), tmp_path)
        of_worker = {"label": f"{OF_WORKER}={stack.worker}"}
        wait_until("container of the run", lambda: client.containers.list(filters=of_worker))
        worker = client.containers.get(stack.worker)
        [network] = [client.networks.get(name) for name in worker.attrs["NetworkSettings"]["Networks"]]
        containers = {container.id for container in network.containers}
        volumes = {mount["Name"] for mount in worker.attrs["Mounts"] if mount["Type"] == "volume"}
        assert len(containers) == len({"database", "worker", "engine", "run"})
        assert volumes
    assert not containers & {one.id for one in client.containers.list(all=True, ignore_removed=True)}
    assert network.id not in {one.id for one in client.networks.list()}
    assert not volumes & {one.name for one in client.volumes.list()}
