"""Projects and builds on a running engine, and a Git repository to build."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine_fixtures import RunningEngine, wait_for
from waiting import scaled

from millpond.planes.codebuild import CodeBuildPlane, CodeBuildSettings, serve
from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.common.telemetry import Telemetry

ENVIRONMENT = {
    "type": "LINUX_CONTAINER",
    "image": "aws/codebuild/standard:7.0",
    "computeType": "BUILD_GENERAL1_SMALL",
}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "codebuild.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


@dataclass(frozen=True)
class CodeBuild:
    """CodeBuild of a running engine."""

    engine: RunningEngine

    @property
    def client(self) -> Any:
        return self.engine.client("codebuild")

    def role(self) -> str:
        iam = self.engine.client("iam")
        try:
            made = iam.create_role(RoleName="builder", AssumeRolePolicyDocument=json.dumps(TRUST))
        except iam.exceptions.EntityAlreadyExistsException:
            made = iam.get_role(RoleName="builder")
        return str(made["Role"]["Arn"])

    def project(self, name: str, buildspec: str, **settings: Any) -> str:
        """Make a project without source or artifacts, unless the settings say otherwise."""
        variables = settings.pop("variables", {})
        arguments = {
            "source": {"type": "NO_SOURCE", "buildspec": buildspec},
            "artifacts": {"type": "NO_ARTIFACTS"},
            "environment": {
                **ENVIRONMENT,
                "environmentVariables": [
                    one if isinstance(one, dict) else {"name": key, "value": one}
                    for key, one in variables.items()
                ],
            },
            "serviceRole": self.role(),
            **settings,
        }
        self.client.create_project(name=name, **arguments)
        return name

    def start(self, project: str, **overrides: Any) -> str:
        return str(self.client.start_build(projectName=project, **overrides)["build"]["id"])

    def get(self, build_id: str) -> dict[str, Any]:
        [build] = self.client.batch_get_builds(ids=[build_id])["builds"]
        return dict(build)

    def ended(self, build_id: str) -> dict[str, Any]:
        """The build when it is complete."""

        def probe() -> dict[str, Any] | None:
            build = self.get(build_id)
            return build if build["buildComplete"] else None

        return wait_for(f"end of {build_id}", probe)

    def run(self, name: str, buildspec: str, **settings: Any) -> dict[str, Any]:
        """Make a project and build it."""
        return self.ended(self.start(self.project(name, buildspec, **settings)))

    def log(self, build: Mapping[str, Any]) -> list[str]:
        """What the build said, line by line, without CodeBuild's own time."""
        logs = self.engine.client("logs")
        found = logs.get_log_events(
            logGroupName=build["logs"]["groupName"],
            logStreamName=build["logs"]["streamName"],
            startFromHead=True,
        )
        return [event["message"] for event in found["events"]]

    def printed(self, build: Mapping[str, Any]) -> list[str]:
        """What the commands of the build printed."""
        return [line for line in self.log(build) if not line.startswith("[Container]")]


@contextmanager
def own_plane(
    engine: RunningEngine, directory: Path, settings: CodeBuildSettings | None = None
) -> Iterator[CodeBuildPlane]:
    """A plane beside that of the engine, with its own directory and settings."""
    stack = engine.settings
    tools = Tools.from_json((stack.state.parent / "tools.json").read_text())
    context = PlaneContext(stack.endpoint_url, stack.region, stack.account_id, directory, tools)
    telemetry = Telemetry(context)
    planes = serve(context, telemetry, settings)
    try:
        yield planes.of(context.account_id, context.region)
    finally:
        planes.close()
        telemetry.close()


def outcome(plane: CodeBuildPlane, build_id: str) -> dict[str, Any]:
    """A build of a plane when it is complete."""

    def probe() -> dict[str, Any] | None:
        [build] = plane.batch_get_builds({"ids": [build_id]})["builds"]
        return build if build["buildComplete"] else None

    return wait_for("end", probe)


def phases(build: Mapping[str, Any]) -> dict[str, str]:
    """Phase to status, in order."""
    return {one["phaseType"]: one.get("phaseStatus", "") for one in build["phases"]}


def contexts(build: Mapping[str, Any], phase: str) -> list[tuple[str, str]]:
    [found] = [one for one in build["phases"] if one["phaseType"] == phase]
    return [(one["statusCode"], one["message"]) for one in found.get("contexts", [])]


def git_repository(directory: Path, files: Mapping[str, str]) -> str:
    """Make a repository with one commit on ``main``; the commit."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content)
    git(directory, "init", "-q", "-b", "main")
    return commit(directory, "first")


def commit(directory: Path, message: str) -> str:
    git(directory, "add", "-A")
    git(directory, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", message)
    return git(directory, "rev-parse", "HEAD")


def git(directory: Path, *arguments: str) -> str:
    answer = subprocess.run(
        ["git", "-C", directory, *arguments], capture_output=True, text=True, check=True, timeout=scaled(60)
    )
    return answer.stdout.strip()
