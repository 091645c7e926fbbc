"""Builds and the phases they pass through.

Sources: the types ``Build`` and ``BuildPhase`` in the CodeBuild API Reference, and "Build phase transitions"
in the User Guide.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from millpond.planes.codebuild import projects
from millpond.planes.codebuild.exceptions import InvalidInputException
from millpond.planes.common.context import PlaneContext

Shape = dict[str, Any]


class Status(StrEnum):
    """``buildStatus`` and ``phaseStatus`` of the API."""

    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    FAULT = "FAULT"
    STOPPED = "STOPPED"
    TIMED_OUT = "TIMED_OUT"


class Phase(StrEnum):
    """``phaseType`` of the API, in order."""

    SUBMITTED = "SUBMITTED"
    QUEUED = "QUEUED"
    PROVISIONING = "PROVISIONING"
    DOWNLOAD_SOURCE = "DOWNLOAD_SOURCE"
    INSTALL = "INSTALL"
    PRE_BUILD = "PRE_BUILD"
    BUILD = "BUILD"
    POST_BUILD = "POST_BUILD"
    UPLOAD_ARTIFACTS = "UPLOAD_ARTIFACTS"
    FINALIZING = "FINALIZING"
    COMPLETED = "COMPLETED"


def next_phase(phase: Phase, *, has_failed: bool, action: str = "") -> Phase:
    """The phase after one that has ended.

    Parameters
    ----------
    phase : Phase
        The one that has ended.
    has_failed : bool
        Whether it failed.
    action : str
        ``on-failure`` of the buildspec; empty for the transitions of the User Guide.
    """
    following = list(Phase)[list(Phase).index(phase) + 1]
    if not has_failed or action == "CONTINUE":
        return following
    if not action and phase in (Phase.BUILD, Phase.POST_BUILD):
        return following
    return Phase.COMPLETED if phase is Phase.FINALIZING else Phase.FINALIZING


@dataclass
class PhaseRecord:
    """One phase of one build."""

    phase: Phase
    start: datetime
    end: datetime | None = None
    status: Status | None = None
    contexts: list[Shape] = field(default_factory=list)

    def to_api(self) -> Shape:
        shape: Shape = {"phaseType": str(self.phase), "startTime": self.start}
        if self.end is not None:
            shape["endTime"] = self.end
            shape["durationInSeconds"] = int((self.end - self.start).total_seconds())
        if self.status is not None:
            shape |= {"phaseStatus": str(self.status), "contexts": list(self.contexts)}
        return shape


@dataclass
class Build:
    """One build.

    Parameters
    ----------
    id : str
        ``project:uuid``.
    arn : str
        Its ARN.
    number : int
        1 for the first build of a project.
    config : dict
        The ``Project`` structure with the overrides of ``StartBuild``.
    request : mapping
        What ``StartBuild`` was given, for a retry.
    start : datetime
        When.
    initiator : str
        Who.
    logs : dict
        ``logs`` of the API.
    auto_retry : dict
        ``autoRetryConfig`` of the API.
    """

    id: str
    arn: str
    number: int
    config: Shape
    request: Mapping[str, Any]
    start: datetime
    initiator: str
    logs: Shape
    auto_retry: Shape
    status: Status = Status.IN_PROGRESS
    end: datetime | None = None
    phases: list[PhaseRecord] = field(default_factory=list)
    resolved_versions: dict[str, str] = field(default_factory=dict)
    exported: list[Shape] = field(default_factory=list)
    artifacts: Shape | None = None
    secondary_artifacts: list[Shape] = field(default_factory=list)
    report_arns: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def project_name(self) -> str:
        return str(self.config["name"])

    @property
    def uuid(self) -> str:
        return self.id.partition(":")[2]

    @property
    def phase(self) -> Phase:
        return self.phases[-1].phase

    @property
    def source_version(self) -> str | None:
        return self.config.get("sourceVersion")

    @property
    def is_complete(self) -> bool:
        return self.end is not None

    def enter(self, phase: Phase, now: datetime) -> None:
        """Begin a phase; the one before has ended."""
        with self.lock:
            self.phases.append(PhaseRecord(phase, now))

    def leave(self, status: Status, now: datetime, context: Shape | None = None) -> PhaseRecord:
        """End the current phase."""
        with self.lock:
            record = self.phases[-1]
            record.end, record.status = now, status
            record.contexts = [context] if context else []
            return record

    def complete(self, status: Status, now: datetime) -> None:
        """End the build."""
        with self.lock:
            self.phases.append(PhaseRecord(Phase.COMPLETED, now))
            self.status, self.end = status, now

    def to_api(self) -> Shape:
        with self.lock:
            config = self.config
            shape: Shape = {
                "id": self.id,
                "arn": self.arn,
                "buildNumber": self.number,
                "startTime": self.start,
                "currentPhase": str(self.phase),
                "buildStatus": str(self.status),
                "projectName": self.project_name,
                "phases": [record.to_api() for record in self.phases],
                "source": config["source"],
                "artifacts": self.artifacts or {"location": ""},
                "secondaryArtifacts": list(self.secondary_artifacts),
                "environment": config["environment"],
                "logs": self.logs,
                "buildComplete": self.is_complete,
                "initiator": self.initiator,
                "exportedEnvironmentVariables": list(self.exported),
                "reportArns": list(self.report_arns),
            }
            if self.end is not None:
                shape["endTime"] = self.end
            if "" in self.resolved_versions:
                shape["resolvedSourceVersion"] = self.resolved_versions[""]
            if self.auto_retry:
                shape["autoRetryConfig"] = dict(self.auto_retry)
            kept = (
                "sourceVersion",
                "secondarySources",
                "secondarySourceVersions",
                "cache",
                "serviceRole",
                "timeoutInMinutes",
                "queuedTimeoutInMinutes",
                "vpcConfig",
                "encryptionKey",
                "fileSystemLocations",
            )
            return shape | {member: config[member] for member in kept if config.get(member) is not None}


# Members of StartBuild that replace a member of the project's source, its environment, or the project.
_SOURCE = {
    "sourceTypeOverride": "type",
    "sourceLocationOverride": "location",
    "sourceAuthOverride": "auth",
    "gitCloneDepthOverride": "gitCloneDepth",
    "gitSubmodulesConfigOverride": "gitSubmodulesConfig",
    "buildspecOverride": "buildspec",
    "insecureSslOverride": "insecureSsl",
    "reportBuildStatusOverride": "reportBuildStatus",
    "buildStatusConfigOverride": "buildStatusConfig",
}
_ENVIRONMENT = {
    "environmentTypeOverride": "type",
    "imageOverride": "image",
    "computeTypeOverride": "computeType",
    "certificateOverride": "certificate",
    "privilegedModeOverride": "privilegedMode",
    "registryCredentialOverride": "registryCredential",
    "imagePullCredentialsTypeOverride": "imagePullCredentialsType",
    "fleetOverride": "fleet",
}
_PROJECT = {
    "secondarySourcesOverride": "secondarySources",
    "secondarySourcesVersionOverride": "secondarySourceVersions",
    "sourceVersion": "sourceVersion",
    "artifactsOverride": "artifacts",
    "secondaryArtifactsOverride": "secondaryArtifacts",
    "cacheOverride": "cache",
    "serviceRoleOverride": "serviceRole",
    "timeoutInMinutesOverride": "timeoutInMinutes",
    "queuedTimeoutInMinutesOverride": "queuedTimeoutInMinutes",
    "encryptionKeyOverride": "encryptionKey",
    "logsConfigOverride": "logsConfig",
    "autoRetryLimitOverride": "autoRetryLimit",
}


def configuration(project: Mapping[str, Any], request: Mapping[str, Any]) -> Shape:
    """A project with the overrides of a ``StartBuild`` request, checked like a project.

    Raises
    ------
    InvalidInputException
        If an override is not acceptable, or if a build of this kind cannot be started.
    """
    config = {**project, **_taken(request, _PROJECT)}
    name = str(project["name"])
    config["source"] = projects.source({**project["source"], **_taken(request, _SOURCE)})
    config["environment"] = projects.environment(
        {
            **project["environment"],
            **_taken(request, _ENVIRONMENT),
            "environmentVariables": merged_variables(
                project["environment"]["environmentVariables"],
                request.get("environmentVariablesOverride") or [],
            ),
        }
    )
    config["secondarySources"] = [projects.source(source) for source in config["secondarySources"]]
    config["artifacts"] = projects.artifacts(config["artifacts"], name)
    config["secondaryArtifacts"] = [
        projects.artifacts(artifact, name) for artifact in config["secondaryArtifacts"]
    ]
    config["logsConfig"] = projects.logs_config(config["logsConfig"])
    projects.check(config)
    if config["source"]["type"] == "CODEPIPELINE":
        raise InvalidInputException(
            "Builds with a source of type CODEPIPELINE are started by CodePipeline only"
        )
    if request.get("debugSessionEnabled"):
        raise InvalidInputException("Debug sessions are not available here")
    return config


def merged_variables(base: Sequence[Shape], overrides: Sequence[Shape]) -> list[Shape]:
    """The variables of a project, with those of a build instead of or after them."""
    merged = {variable["name"]: variable for variable in base}
    merged |= {variable["name"]: {"type": "PLAINTEXT", **variable} for variable in overrides}
    return list(merged.values())


def logs_location(config: Mapping[str, Any], uuid: str, context: PlaneContext) -> Shape:
    """``LogsLocation`` of a build: the names that "View build details" in the User Guide shows."""
    wanted = config["logsConfig"]
    location: Shape = {"cloudWatchLogs": wanted["cloudWatchLogs"], "s3Logs": wanted["s3Logs"]}
    if wanted["cloudWatchLogs"]["status"] == "ENABLED":
        group = wanted["cloudWatchLogs"].get("groupName") or f"/aws/codebuild/{config['name']}"
        prefix = wanted["cloudWatchLogs"].get("streamName")
        stream = f"{prefix}/{uuid}" if prefix else uuid
        console = f"https://console.aws.amazon.com/cloudwatch/home?region={context.region}#logsV2:log-groups/log-group"
        location |= {
            "groupName": group,
            "streamName": stream,
            "deepLink": f"{console}/{_fragment(group)}/log-events/{_fragment(stream)}",
            "cloudWatchLogsArn": context.arn("logs", f"log-group:{group}:log-stream:{stream}"),
        }
    if wanted["s3Logs"]["status"] == "ENABLED":
        bucket, key = s3_log_key(wanted["s3Logs"]["location"], uuid)
        location["s3LogsArn"] = f"arn:aws:s3:::{bucket}/{key}"
        location["s3DeepLink"] = f"https://s3.console.aws.amazon.com/s3/object/{bucket}?prefix={quote(key)}"
    return location


def s3_log_key(location: str, uuid: str) -> tuple[str, str]:
    """Bucket and key of the log of a build, for ``s3Logs.location``: a bucket, or its ARN, and a prefix."""
    bucket, _, prefix = location.removeprefix("arn:aws:s3:::").partition("/")
    return bucket, "/".join(part for part in (prefix.strip("/"), f"{uuid}.gz") if part)


def _taken(request: Mapping[str, Any], members: Mapping[str, str]) -> Shape:
    return {to: request[member] for member, to in members.items() if request.get(member) is not None}


def _fragment(name: str) -> str:
    """A name as the console writes it after the ``#``: encoded twice, the second time with ``$``."""
    return quote(name, safe="").replace("%", "$25")
