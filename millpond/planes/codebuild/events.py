"""What CodeBuild tells EventBridge.

Source: "Build notifications input format reference" in the CodeBuild User Guide.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from millpond.planes.codebuild.builds import Build, Phase, PhaseRecord, Shape

STATE_CHANGE = "CodeBuild Build State Change"
PHASE_CHANGE = "CodeBuild Build Phase Change"


def state_change(build: Build) -> Shape:
    """The entry for ``PutEvents`` when the status of a build has changed."""
    detail = {
        "build-status": str(build.status),
        "project-name": build.project_name,
        "build-id": build.arn,
        "additional-information": _additional_information(build),
        "current-phase": str(build.phase),
        "current-phase-context": _context(build.phases[-1]),
        "version": "1",
    }
    return _entry(STATE_CHANGE, build, detail)


def phase_change(build: Build, record: PhaseRecord) -> Shape:
    """The entry for ``PutEvents`` when a phase of a build has ended."""
    end = record.end or record.start
    detail = {
        "completed-phase": str(record.phase),
        "project-name": build.project_name,
        "build-id": build.arn,
        "completed-phase-context": _context(record),
        "additional-information": _additional_information(build),
        "completed-phase-status": str(record.status),
        "completed-phase-duration-seconds": int((end - record.start).total_seconds()),
        "completed-phase-start": _time(record.start),
        "completed-phase-end": _time(end),
        "version": "1",
    }
    return _entry(PHASE_CHANGE, build, detail)


def _entry(kind: str, build: Build, detail: Shape) -> Shape:
    return {
        "Source": "aws.codebuild",
        "DetailType": kind,
        "Detail": json.dumps(detail),
        "Resources": [build.arn],
        "Time": datetime.now(UTC),
    }


def _additional_information(build: Build) -> Shape:
    environment = build.config["environment"]
    source = build.config["source"]
    logs = {"groupName": "group-name", "streamName": "stream-name", "deepLink": "deep-link"}
    information: Shape = {
        "timeout-in-minutes": build.config["timeoutInMinutes"],
        "build-complete": build.is_complete,
        "build-number": build.number,
        "initiator": build.initiator,
        "build-start-time": _time(build.start),
        "source": {
            "type": source["type"],
            **({"location": source["location"]} if source.get("location") else {}),
        },
        "environment": {
            "image": environment["image"],
            "privileged-mode": environment["privilegedMode"],
            "compute-type": environment["computeType"],
            "type": environment["type"],
            "environment-variables": environment["environmentVariables"],
        },
        "logs": {name: build.logs[member] for member, name in logs.items() if member in build.logs},
        "phases": [_phase(record) for record in build.phases],
    }
    if build.source_version:
        information["source-version"] = build.source_version
    if build.artifacts:
        members = {"md5sum": "md5sum", "sha256sum": "sha256sum", "location": "location"}
        information["artifact"] = {
            to: build.artifacts[at] for at, to in members.items() if at in build.artifacts
        }
    return information


def _phase(record: PhaseRecord) -> Shape:
    shape: dict[str, Any] = {"phase-type": str(record.phase), "start-time": _time(record.start)}
    if record.phase is Phase.COMPLETED or record.end is None:
        return shape
    return {
        "phase-context": [_context(record)],
        **shape,
        "end-time": _time(record.end),
        "duration-in-seconds": int((record.end - record.start).total_seconds()),
        "phase-status": str(record.status),
    }


def _context(record: PhaseRecord) -> str:
    """A phase's contexts as one text, for example ``[COMMAND_EXECUTION_ERROR: Error while executing …]``."""
    return f"[{', '.join(f'{context["statusCode"]}: {context["message"]}' for context in record.contexts)}]"


def _time(moment: datetime) -> str:
    """For example ``Sep 1, 2017 4:12:29 PM``."""
    return f"{moment:%b} {moment.day}, {moment.year} {moment.hour % 12 or 12}:{moment:%M:%S %p}"
