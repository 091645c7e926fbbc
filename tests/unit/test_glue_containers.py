"""What a run in a container is given; the containers themselves are in tests/compose."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from telemetry_fakes import RecordedTelemetry

from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.glue import GluePlane, GlueSettings, Workers
from millpond.planes.glue.containers import (
    ContainerSettings,
    ContainerWorkers,
    Limits,
    ask,
    limits_of,
    spark_submit,
)
from millpond.planes.glue.exceptions import LaunchError
from millpond.planes.glue.jvms import JvmSpec
from millpond.planes.glue.modules import named_versions, unsatisfied
from millpond.planes.glue.spark import LocalSize


def test_runs_are_processes_unless_a_worker_is_named() -> None:
    assert ContainerSettings.from_environment({}) is None
    named = ContainerSettings.from_environment({"MILLPOND_GLUE_CONTAINER": "w"})
    assert named == ContainerSettings("w", "warm")


def test_a_mode_that_is_neither_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="lukewarm"):
        ContainerSettings.from_environment(
            {"MILLPOND_GLUE_CONTAINER": "w", "MILLPOND_GLUE_CONTAINER_MODE": "lukewarm"}
        )


def test_a_spark_container_has_room_beside_the_heap() -> None:
    limits = limits_of({"WorkerType": "G.1X"}, LocalSize(2, 2048), is_spark=True)
    assert limits == Limits(3072, 2.0)


@pytest.mark.parametrize(("capacity", "memory_mb"), [(0.0625, 1024), (1.0, 2048)])
def test_a_shell_container_has_the_memory_of_its_capacity_within_the_machine(capacity, memory_mb) -> None:
    limits = limits_of({"MaxCapacity": capacity}, LocalSize(2, 1024), is_spark=False)
    assert limits == Limits(memory_mb, 1.0)


def test_spark_submit_gets_what_acts_when_the_jvm_starts() -> None:
    spec = JvmSpec("2g", ("-Da=b c",), ("/x.jar", "/y.jar"), (("spark.jars.packages", "g:a:1"),))
    command = spark_submit(spec, Path("/run/tmp"))
    options = command[command.index("--driver-java-options") + 1]
    assert command[:3] == ["spark-submit", "--driver-memory", "2g"]
    assert "-Djava.io.tmpdir=/run/tmp" in options
    assert "'-Da=b c'" in options
    assert command[-4:] == ["--driver-class-path", "/x.jar:/y.jar", "--conf", "spark.jars.packages=g:a:1"]


class _ForgetfulWorker:
    """A container of which Docker loses the first answers."""

    name = "glue"

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers

    def exec_run(self, command: list[str]) -> tuple[int, bytes]:
        return 0, self._answers.pop(0)


def test_an_answer_that_docker_lost_is_asked_for_again() -> None:
    assert ask(_ForgetfulWorker([b"", b"", b"172.24.0.3\n"]), ["python3.11"]) == (0, "172.24.0.3")


def test_answers_that_never_come_fail_the_run() -> None:
    with pytest.raises(LaunchError, match=r"container glue does not tell what python3\.11"):
        ask(_ForgetfulWorker([b""] * 10), ["python3.11"])


def test_modules_that_the_worker_has_are_not_installed_again() -> None:
    installed = named_versions(["PyArrow==21.0.0", "psycopg==3.2.1"])
    assert unsatisfied(["pyarrow==21.0.0", "psycopg>=3.3", "duckdb"], installed) == ["psycopg>=3.3", "duckdb"]


WORKER = ContainerSettings("millpond-0-glue")


@pytest.fixture
def context(tmp_path: Path) -> PlaneContext:
    tools = Tools(tmp_path, tmp_path, tmp_path, tmp_path, tmp_path, tmp_path, {})
    return PlaneContext("http://127.0.0.1:9", "eu-west-1", "000000000000", tmp_path / "state", tools)


class _NoContainers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_version = self.path == "/version"
        body = {"ApiVersion": "1.41"} if is_version else {"message": "No such container: millpond-0-glue"}
        text = json.dumps(body).encode()
        self.send_response(200 if is_version else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def docker_without_containers(path: Path) -> Iterator[None]:
    """Answers as an engine does that knows no container."""
    with socketserver.ThreadingUnixStreamServer(str(path), _NoContainers) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            path.unlink()


def test_without_docker_the_catalog_is_there_and_a_run_says_what_is_missing(
    context, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    settings = GlueSettings(warm_jvms=0, containers=WORKER)
    plane = GluePlane(context, RecordedTelemetry(context), Workers(context, settings))
    location = {"Name": "pythonshell", "ScriptLocation": "s3://b/s.py"}
    plane.create_job({"Name": "ingest", "Role": "r", "Command": location})
    assert plane.get_job({"JobName": "ingest"})["Job"]["Name"] == "ingest"
    plane.close()
    with pytest.raises(LaunchError, match=r"LAUNCH ERROR \| The Docker engine does not answer"):
        ContainerWorkers(context, WORKER).local_size({})


def test_an_engine_that_went_away_is_said_and_so_is_a_worker_that_did(
    context, monkeypatch, tmp_path: Path
) -> None:
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with docker_without_containers(path):
        workers = ContainerWorkers(context, WORKER)
        with pytest.raises(
            LaunchError, match="worker's container millpond-0-glue is gone: No such container"
        ):
            workers.local_size({})
    with pytest.raises(LaunchError, match=r"The Docker engine does not answer: .*Connection"):
        workers.local_size({})
