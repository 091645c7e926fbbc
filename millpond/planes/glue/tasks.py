"""Runs of Spark that the service does by itself: it evaluates rules, and computes statistics.

On AWS, too, each of them is a run of Spark with the role, the workers and the timeout that the request names.
Here it is one of the supervisor's, whose script is of ``glue_runtime/service_tasks`` and not of a bucket.
"""

from __future__ import annotations

import json
import secrets
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from millpond.planes.common.state import ENDED
from millpond.planes.glue import jobs, runs
from millpond.planes.glue.bookmarks import JobBookmarks
from millpond.planes.glue.exceptions import EntityNotFoundException
from millpond.planes.glue.requests import Shape, now, required
from millpond.planes.glue.runs import JobRun, State
from millpond.planes.glue.supervisor import ActiveRun, Outcome, Supervisor

_VERSION = "5.1"
_WORKER_TYPE = "G.1X"
_OPTION = "--millpond-task"
_STOP_SECONDS = 20.0
_ICEBERG = " --conf ".join(
    (
        "spark.sql.extensions=org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.glue_catalog=org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.glue_catalog.catalog-impl=org.apache.iceberg.aws.glue.GlueCatalog",
        "spark.sql.catalog.glue_catalog.io-impl=org.apache.iceberg.aws.s3.S3FileIO",
    )
)
_DELTA = " --conf ".join(
    (
        "spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog",
    )
)


@dataclass
class Task:
    """One such run.

    Parameters
    ----------
    run : JobRun
        Its process and its states.
    request : mapping
        What the operation that started it was given.
    answer : dict, optional
        What its script found, once it has succeeded.
    """

    run: JobRun
    request: Mapping[str, Any]
    answer: Shape | None = None
    notes: Shape = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.run.id

    def settle(self) -> None:
        """End it, if an engine that has stopped left it going."""
        if self.run.state is State.STOPPING:
            self.run.advance(State.STOPPED, now())
        elif not self.run.state.is_final:
            self.run.advance(State.FAILED, now(), ENDED)


def new_task(
    prefix: str,
    request: Mapping[str, Any],
    *,
    workers: int,
    timeout: int,
    log_group: str,
    tables: tuple[Mapping[str, Any], ...] = (),
) -> Task:
    """A task that has not been started.

    Parameters
    ----------
    prefix : str
        Of its id, for example ``dqrun-``.
    request : mapping
        What the operation was given; its ``Role`` executes it.
    workers, timeout : int
        Number of workers, and minutes.
    log_group : str
        Prefix of the log groups that take what it writes.
    tables : tuple of mapping
        The ``Table`` structures that it reads: their formats decide what Spark is started with.
    """
    identifier = f"{prefix}{secrets.token_hex(20)}"
    job = {
        "Name": identifier,
        "Role": required(request, "Role"),
        "Command": {"Name": "glueetl", "ScriptLocation": "", "PythonVersion": "3"},
        "GlueVersion": _VERSION,
        "MaxRetries": 0,
        "Timeout": timeout,
        "DefaultArguments": {"--custom-logGroup-prefix": log_group, **_arguments(tables)},
        "Connections": {},
        **jobs.capacity(
            "glueetl", _VERSION, {"WorkerType": _WORKER_TYPE, "NumberOfWorkers": max(workers, 2)}
        ),
    }
    return Task(JobRun(identifier, job, {}, runs.settings_of(job, {}), now()), dict(request))


def _arguments(tables: tuple[Mapping[str, Any], ...]) -> dict[str, str]:
    formats = sorted({one for table in tables if (one := _table_format(table))})
    conf = [{"iceberg": _ICEBERG, "delta": _DELTA}[one] for one in formats if one in ("iceberg", "delta")]
    arguments = {"--datalake-formats": ",".join(formats)} if formats else {}
    return arguments | ({"--conf": " --conf ".join(conf)} if conf else {})


def _table_format(table: Mapping[str, Any]) -> str:
    parameters = table.get("Parameters") or {}
    if str(parameters.get("table_type", "")).upper() == "ICEBERG":
        return "iceberg"
    provider = str(parameters.get("spark.sql.sources.provider", "")).lower()
    return provider if provider in ("delta", "hudi") else ""


class Tasks:
    """Executes tasks of one account and region.

    Parameters
    ----------
    supervisor : callable
        Makes what executes them, from what it tells when a process has started.
    folder : Path
        Where a task finds what it is to do, and leaves what it found.
    glue_runtime : Path
        Where the scripts are.
    """

    def __init__(
        self,
        supervisor: Callable[[Callable[[JobRun], None]], Supervisor],
        folder: Path,
        glue_runtime: Path,
    ) -> None:
        self._supervisor = supervisor(self._mark_running)
        # What an engine that was killed left behind: its tasks ended with it.
        shutil.rmtree(folder, ignore_errors=True)
        self._folder = folder
        self._scripts = glue_runtime / "service_tasks"
        self.lock = threading.RLock()
        self._active: dict[str, ActiveRun] = {}

    def start(self, task: Task, script: str, work: Shape, ended: Callable[[Task], None]) -> None:
        """Execute a task in the background.

        Parameters
        ----------
        task : Task
        script : str
            Its name in ``glue_runtime/service_tasks``.
        work : dict
            What it is to do, as JSON has it.
        ended : callable
            Told when it has ended, whatever became of it.
        """
        folder = self._folder / task.id
        folder.mkdir(parents=True, mode=0o700)
        (folder / "work.json").write_text(json.dumps(work))
        task.run.arguments = {_OPTION: str(folder)}
        active = ActiveRun(task.run, JobBookmarks(), script=self._scripts / script, folders=(folder,))
        active.thread = threading.Thread(
            target=self._execute, args=(task, active, folder, ended), name=f"glue {task.id[:24]}", daemon=True
        )
        with self.lock:
            self._active[task.id] = active
        active.thread.start()

    def stop(self, task: Task) -> None:
        """Ask a task to stop; of one that has ended nothing changes."""
        with self.lock:
            active = self._active.get(task.id)
            if active is not None and task.run.state is not State.STOPPING:
                task.run.advance(State.STOPPING, now())
                active.stop.set()

    def close(self) -> None:
        """Stop all."""
        with self.lock:
            going = list(self._active.values())
            for one in going:
                one.stop.set()
        for one in going:
            if one.thread is not None:
                one.thread.join(timeout=_STOP_SECONDS)

    def _execute(self, task: Task, active: ActiveRun, folder: Path, ended: Callable[[Task], None]) -> None:
        outcome = self._supervisor.execute(active)
        answer = folder / "answer.json"
        found = json.loads(answer.read_text()) if answer.exists() else None
        shutil.rmtree(folder, ignore_errors=True)
        if outcome.state is State.SUCCEEDED and found is None:
            outcome = Outcome(State.FAILED, "The task ended without a result.")
        with self.lock:
            del self._active[task.id]
            if task.run.state is State.STOPPING:
                task.run.advance(State.STOPPED, now())
            else:
                if outcome.state is State.STOPPED:
                    # The engine stops, and nobody has asked for it.
                    outcome = Outcome(State.FAILED, ENDED)
                task.answer = found if outcome.state is State.SUCCEEDED else None
                if outcome.state is not State.FAILED and task.run.state is State.STARTING:
                    task.run.advance(State.RUNNING, now())
                task.run.advance(outcome.state, now(), outcome.error_message)
        ended(task)

    def _mark_running(self, run: JobRun) -> None:
        with self.lock:
            if run.state is State.STARTING:
                run.advance(State.RUNNING, now())


def found_task(tasks: Mapping[str, Task], identifier: str) -> Task:
    """A task by its id.

    Raises
    ------
    EntityNotFoundException
        If there is none.
    """
    if identifier not in tasks:
        raise EntityNotFoundException(f"Run {identifier} not found.")
    return tasks[identifier]
