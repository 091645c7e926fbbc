"""A Glue plane in the test's own process, on an engine that serves S3, Logs, IAM and STS."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from engine_fixtures import RunningEngine, started_engine
from waiting import wait_until

from millpond.config import load_settings
from millpond.planes.context import PlaneContext, Tools
from millpond.planes.glue import GluePlane, GlueSettings
from millpond.planes.telemetry import Telemetry

BUCKET = "glue-tests"
# Timeouts of these tests are in minutes that last a second.
SETTINGS = GlueSettings(warm_jvms=1, seconds_per_timeout_minute=1.0)


@dataclass
class GlueStack:
    """A plane, and the engine it uses."""

    engine: RunningEngine
    plane: GluePlane
    context: PlaneContext
    role: str
    _names: Iterator[int] = field(default_factory=itertools.count)

    def put(self, key: str, content: str | bytes) -> str:
        body = content.encode() if isinstance(content, str) else content
        self.engine.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    def job(self, script: str, *, command: str = "pythonshell", **settings: Any) -> str:
        """Make a job of a script; its name."""
        name = f"job-{next(self._names)}"
        location = self.put(f"scripts/{name}.py", textwrap.dedent(script))
        size = {"GlueVersion": "5.1", "WorkerType": "G.1X", "NumberOfWorkers": 2}
        request: dict[str, Any] = {
            "Name": name,
            "Role": self.role,
            "Command": {"Name": command, "ScriptLocation": location},
            **(size if command == "glueetl" else {}),
            **settings,
        }
        self.plane.create_job(request)
        return name

    def start(self, job: str, **request: Any) -> str:
        return str(self.plane.start_job_run({"JobName": job, **request})["JobRunId"])

    def look(self, job: str, run_id: str) -> dict[str, Any]:
        run: dict[str, Any] = self.plane.get_job_run({"JobName": job, "RunId": run_id})["JobRun"]
        return run

    def finish(self, job: str, run_id: str) -> dict[str, Any]:
        """Wait until a run has ended; the run."""
        final = ("SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT")
        return wait_until(
            f"end of {run_id}",
            lambda: run if (run := self.look(job, run_id))["JobRunState"] in final else None,
        )

    def run(
        self, script: str, *, arguments: Mapping[str, str] | None = None, **settings: Any
    ) -> dict[str, Any]:
        """Make a job, run it once, wait for its end; the run."""
        job = self.job(script, **settings)
        return self.finish(job, self.start(job, Arguments=dict(arguments or {})))

    def log(self, group: str, stream: str) -> str:
        logs = self.engine.client("logs")
        try:
            events = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)[
                "events"
            ]
        except logs.exceptions.ResourceNotFoundException:
            return ""
        return "\n".join(event["message"] for event in events)

    def output(self, run: Mapping[str, Any]) -> str:
        return self.log(f"{run['LogGroupName']}/output", run["Id"])

    def errors(self, run: Mapping[str, Any]) -> str:
        return self.log(f"{run['LogGroupName']}/error", run["Id"])

    def folder(self, run_id: str) -> Path:
        return self.context.state_dir / "glue" / "runs" / run_id


@pytest.fixture(scope="module")
def glue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GlueStack]:
    tools_file = load_settings().home / "tools.json"
    assert tools_file.exists(), "the toolchain is not installed: run `millpond doctor`"
    directory = tmp_path_factory.mktemp("glue")
    with started_engine(directory) as engine:
        context = PlaneContext(
            endpoint_url=engine.settings.endpoint_url,
            region=engine.settings.region,
            account_id=engine.settings.account_id,
            state_dir=directory / "plane",
            tools=Tools.from_json(tools_file.read_text()),
        )
        region = {"LocationConstraint": context.region}
        engine.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=region)
        telemetry = Telemetry(context)
        plane = GluePlane(context, telemetry, SETTINGS)
        try:
            yield GlueStack(engine, plane, context, engine.role("glue-job"))
        finally:
            plane.close()
            telemetry.close()
