"""A Glue plane in the test's own process, on an engine that serves S3, Logs, IAM and STS."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import state_directories
from engine_fixtures import RunningEngine
from glue_scripts import GlueScripts

from millpond.base.config import load_settings
from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.common.telemetry import Telemetry
from millpond.planes.glue import GluePlane, GlueSettings, serve

BUCKET = "glue-tests"
# Timeouts of these tests are in minutes that last a second.
SETTINGS = replace(
    GlueSettings.from_environment(), warm_jvms=1, seconds_per_timeout_minute=1.0, keep_run_folders=True
)
RUN_SECONDS = 180.0


class GlueStack(GlueScripts):
    """A plane, and the engine it uses."""

    def __init__(self, engine: RunningEngine, plane: GluePlane, context: PlaneContext, role: str) -> None:
        super().__init__(engine.client("s3"), engine.client("logs"), BUCKET, role, RUN_SECONDS)
        self.engine = engine
        self.plane = plane
        self.context = context

    def create(self, request: Mapping[str, Any]) -> None:
        self.plane.create_job(dict(request))

    def start(self, job: str, **request: Any) -> str:
        return str(self.plane.start_job_run({"JobName": job, **request})["JobRunId"])

    def look(self, job: str, run_id: str) -> dict[str, Any]:
        run: dict[str, Any] = self.plane.get_job_run({"JobName": job, "RunId": run_id})["JobRun"]
        return run

    def folder(self, run_id: str) -> Path:
        return self.context.state_dir / "glue" / "runs" / run_id


@pytest.fixture(scope="module")
def glue(running_engine: RunningEngine) -> Iterator[GlueStack]:
    tools_file = load_settings().home / "tools.json"
    assert tools_file.exists(), "the toolchain is not installed: run `millpond doctor`"
    # Not below /tmp, where the libraries of some versions make directories of their own.
    directory = state_directories.make()
    context = PlaneContext(
        endpoint_url=running_engine.settings.endpoint_url,
        region=running_engine.settings.region,
        account_id=running_engine.settings.account_id,
        state_dir=directory / "plane",
        tools=Tools.from_json(tools_file.read_text()),
    )
    region = {"LocationConstraint": context.region}
    running_engine.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=region)
    telemetry = Telemetry(context)
    planes = serve(context, telemetry, SETTINGS)
    plane = planes.of(context.account_id, context.region)
    try:
        yield GlueStack(running_engine, plane, context, running_engine.role("glue-job"))
    finally:
        planes.close()
        telemetry.close()

    shutil.rmtree(directory)
