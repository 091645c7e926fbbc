"""Glue jobs of a running stack, through AWS's API alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glue_scripts import GlueScripts

from millpond.client.aws import Aws
from millpond.testing.jobs import BUCKET, ROLE, ensure_bucket_and_role

# A cold Spark run takes 20 seconds of an idle machine, and some minutes of one that runs every test at once.
RUN_SECONDS = 480.0


class GlueJobs(GlueScripts):
    """Jobs of a stack.

    Parameters
    ----------
    aws : Aws
        Its clients.
    """

    def __init__(self, aws: Aws) -> None:
        super().__init__(aws.s3, aws.logs, BUCKET, ROLE, RUN_SECONDS)
        self.aws = aws
        ensure_bucket_and_role(aws)

    def create(self, request: Mapping[str, Any]) -> None:
        self.aws.glue.create_job(**request)

    def start(self, job: str, **request: Any) -> str:
        return self.aws.glue.start_job_run(JobName=job, **request)["JobRunId"]

    def look(self, job: str, run_id: str) -> dict[str, Any]:
        found: Any = self.aws.glue.get_job_run(JobName=job, RunId=run_id)["JobRun"]
        return dict(found)

    def stop(self, job: str, *run_ids: str) -> dict[str, Any]:
        return dict(self.aws.glue.batch_stop_job_run(JobName=job, JobRunIds=list(run_ids)))
