"""Builds of the project that deploys: started, followed, stopped."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from millpond.base.errors import MillpondError
from millpond.base.waiting import DeadlinePassed, scaled, wait_until

if TYPE_CHECKING:
    from mypy_boto3_codebuild import CodeBuildClient
    from mypy_boto3_codebuild.type_defs import BuildTypeDef, StartBuildInputTypeDef
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import GetLogEventsRequestTypeDef
    from mypy_boto3_s3 import S3Client

TIMEOUT = 8 * 3600.0
STOP_TIMEOUT = 90.0
APPROVED = "approved"
_END_OF_COMMAND = re.compile(r"\)?\W*(?:Reason: |exit status )")

OnLine = Callable[[str], None]


@dataclass(frozen=True)
class FinishedBuild:
    """A build that has ended.

    Parameters
    ----------
    id : str
        ``project:uuid``.
    status : str
        ``SUCCEEDED``, ``FAILED``, ``FAULT``, ``STOPPED`` or ``TIMED_OUT``.
    phase : str
        Phase that failed; empty when none did.
    reason : str
        What CodeBuild says of that.
    lines : tuple of str
        What it printed, without the commands themselves.
    environment : mapping
        Variables that the project and the request gave it in the clear.
    plan_location : str
        ``bucket/key`` of the plans; empty when it left none.
    log : str
        Where its log is.
    """

    id: str
    status: str
    phase: str = ""
    reason: str = ""
    lines: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    plan_location: str = ""
    log: str = ""


class DeployBuilds:
    """Builds of one project.

    Parameters
    ----------
    codebuild, logs, s3 : client
        Where it is.
    project : str
        Name of the project.
    poll_seconds : float
        How often to ask how it goes.
    template : str
        Text of the template with the buildspec, whose lines are not shown again when they run.
    """

    def __init__(
        self,
        codebuild: CodeBuildClient,
        logs: CloudWatchLogsClient,
        s3: S3Client,
        *,
        project: str,
        poll_seconds: float,
        template: str,
    ) -> None:
        self._codebuild = codebuild
        self._logs = logs
        self._s3 = s3
        self._project = project
        self._poll_seconds = poll_seconds
        self._template = template

    def run(
        self,
        variables: Mapping[str, str],
        on_line: OnLine | None = None,
        *,
        plan_of: FinishedBuild | None = None,
    ) -> FinishedBuild:
        """Start a build and follow it to its end. Interrupted, it stops the build first.

        Parameters
        ----------
        variables : mapping
            Environment variables of this build alone.
        on_line : callable, optional
            Called with each line that it prints.
        plan_of : FinishedBuild, optional
            Build whose plan was approved, and is to be applied.

        Raises
        ------
        MillpondError
            If it cannot be started.
        """
        build = self._start(variables, plan_of)
        log = _Log(self._logs, self._template, on_line)
        try:
            return self._follow(build, log)
        except KeyboardInterrupt:
            self.stop(build["id"])
            raise

    def stop(self, build_id: str) -> None:
        """Stop a build and wait until it has ended: Terraform saves its state on its way out."""
        self._codebuild.stop_build(id=build_id)
        with suppress(DeadlinePassed):
            wait_until(
                "end of the build",
                lambda: self._get(build_id)["buildComplete"],
                STOP_TIMEOUT,
                pause=self._poll_seconds,
            )

    def plans(self, build: FinishedBuild) -> dict[str, str]:
        """The text of each plan that a build left, by its directory."""
        if not build.plan_location:
            return {}
        bucket, _, key = build.plan_location.partition("/")
        content = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            directories = archive.read("directories").decode().split()
            return {name: archive.read(f"{name}/plan.txt").decode() for name in directories}

    def _start(self, variables: Mapping[str, str], plan_of: FinishedBuild | None) -> BuildTypeDef:
        request: StartBuildInputTypeDef = {
            "projectName": self._project,
            "environmentVariablesOverride": [
                {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
            ],
        }
        if plan_of is not None:
            request["secondarySourcesOverride"] = [
                {"type": "S3", "location": plan_of.plan_location, "sourceIdentifier": APPROVED}
            ]
        try:
            return self._codebuild.start_build(**request)["build"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccountLimitExceededException":
                raise
            raise MillpondError(
                "Another build deploys this environment right now.",
                where=f"CodeBuild project {self._project}",
                next_step="wait until it is done, then millpond deploy",
            ) from error

    def _follow(self, build: BuildTypeDef, log: _Log) -> FinishedBuild:
        def complete() -> BuildTypeDef | None:
            current = self._get(build["id"])
            log.read(current)
            return current if current["buildComplete"] else None

        try:
            ended = wait_until("end of the build", complete, TIMEOUT, pause=self._poll_seconds)
        except DeadlinePassed:
            raise MillpondError(
                f"Build {build['id']} did not end in {scaled(TIMEOUT) / 3600:.0f} hours.",
                next_step=f"aws codebuild stop-build --id {build['id']}",
            ) from None
        log.read_to_the_end(ended, self._poll_seconds)
        return _finished(ended, log.lines)

    def _get(self, build_id: str) -> BuildTypeDef:
        return self._codebuild.batch_get_builds(ids=[build_id])["builds"][0]


class _Log:
    """The log of one build, as far as it was read."""

    def __init__(self, logs: CloudWatchLogsClient, template: str, on_line: OnLine | None) -> None:
        self._client = logs
        self._on_line = on_line
        self._token: str | None = None
        self._commands = {line.strip() for line in template.splitlines()}
        self._is_command = False
        self.lines: list[str] = []

    def read(self, build: BuildTypeDef) -> int:
        """Take what is new; how many events."""
        place = build.get("logs", {})
        if not place.get("groupName") or not place.get("streamName"):
            return 0
        count = 0
        while events := self._next(place["groupName"], place["streamName"]):
            count += len(events)
            for message in events:
                for line in message.rstrip("\n").split("\n"):
                    self._take(line.rstrip("\r"))
        return count

    def read_to_the_end(self, build: BuildTypeDef, poll_seconds: float) -> None:
        """Take what arrives after the build has ended: its log follows it."""
        while self.read(build):
            time.sleep(poll_seconds)

    def _next(self, group: str, stream: str) -> list[str]:
        request: GetLogEventsRequestTypeDef = {
            "logGroupName": group,
            "logStreamName": stream,
            "startFromHead": True,
        }
        if self._token:
            request["nextToken"] = self._token
        try:
            page = self._client.get_log_events(**request)
        except self._client.exceptions.ResourceNotFoundException:
            return []  # the stream is made with its first line
        self._token = page["nextForwardToken"]
        return [event["message"] for event in page["events"]]

    def _take(self, line: str) -> None:
        """Keep what the build printed: CodeBuild says each command, too, as it is in the buildspec."""
        if line.startswith("[Container]"):
            self._is_command = True
            return
        if self._is_command and (line.strip() in self._commands or _END_OF_COMMAND.match(line)):
            return
        self._is_command = False
        self.lines.append(line)
        if self._on_line:
            self._on_line(line)


def _finished(build: BuildTypeDef, lines: Sequence[str]) -> FinishedBuild:
    failed = next(
        (phase for phase in build.get("phases", []) if phase.get("phaseStatus") not in (None, "SUCCEEDED")),
        None,
    )
    contexts = failed.get("contexts", []) if failed else []
    variables = build["environment"].get("environmentVariables", [])
    location = build.get("artifacts", {}).get("location", "")
    return FinishedBuild(
        id=build["id"],
        status=build["buildStatus"],
        phase=str(failed.get("phaseType", "")) if failed else "",
        reason=contexts[0].get("message", "") if contexts else "",
        lines=tuple(lines),
        environment={
            variable["name"]: variable["value"]
            for variable in variables
            if variable.get("type") == "PLAINTEXT"
        },
        plan_location=location.rpartition(":::")[2] if build["buildStatus"] == "SUCCEEDED" else "",
        log=build.get("logs", {}).get("groupName", ""),
    )


def state_outputs(s3: S3Client, bucket: str, directories: Sequence[str]) -> tuple[dict[str, object], int]:
    """Terraform's outputs that are no secrets, from its states in S3, and how many resources these hold."""
    outputs: dict[str, object] = {}
    resources = 0
    for directory in directories:
        try:
            state = json.loads(
                s3.get_object(Bucket=bucket, Key=f"{directory}/terraform.tfstate")["Body"].read()
            )
        except s3.exceptions.NoSuchKey:
            continue
        resources += sum(
            len(resource["instances"]) for resource in state["resources"] if resource["mode"] == "managed"
        )
        outputs |= {
            name: output["value"] for name, output in state["outputs"].items() if not output.get("sensitive")
        }
    return outputs, resources
