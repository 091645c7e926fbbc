"""An app of AWS's CDK, deployed to the stack by CDK's own command line."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.client.environment import stack_environment
from millpond.project.deployment import NO_CHANGES, PlanResult, Watcher
from millpond.project.programs import run_heard
from millpond.project.terraform_log import Changes


class CdkApp:
    """One app.

    Parameters
    ----------
    settings : Settings
        The stack.
    directory : Path
        Where its ``cdk.json`` is.
    context : mapping of str to str
        Values of its context.
    watcher : Watcher
        Whom to tell.
    """

    def __init__(
        self, settings: Settings, directory: Path, context: Mapping[str, str], watcher: Watcher
    ) -> None:
        self._directory = directory.resolve()
        self._watcher = watcher
        self._output = settings.state / "cdk" / self._directory.name
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._environment = {
            **kept,
            **stack_environment(settings),
            "CDK_DEFAULT_ACCOUNT": settings.account_id,
            "CDK_DEFAULT_REGION": settings.region,
            "CDK_DISABLE_VERSION_CHECK": "true",
            "CDK_DISABLE_CLI_TELEMETRY": "true",
        }
        self._environment_name = f"aws://{settings.account_id}/{settings.region}"
        self._context = [part for name, value in context.items() for part in ("--context", f"{name}={value}")]

    def deploy(self) -> Changes:
        """Deploy every stack of the app; how many resources were made or changed.

        Raises
        ------
        MillpondError
            If CDK cannot; with its own words.
        """
        self._watcher.progress("cdk bootstrap")
        self._run("bootstrap", self._environment_name)
        self._watcher.progress("cdk deploy")
        lines = self._run("deploy", "--all", "--require-approval", "never", "--progress", "events")
        return Changes(
            add=resources_of(lines, "CREATE_COMPLETE"),
            change=resources_of(lines, "UPDATE_COMPLETE"),
            remove=resources_of(lines, "DELETE_COMPLETE"),
        )

    def plan(self) -> PlanResult:
        """What :meth:`deploy` would change now."""
        lines = self._run("diff")
        counts = [
            Changes(*(sum(line.startswith(f"[{mark}]") for line in lines) for mark in "+~-")),
        ]
        return PlanResult(counts[0], "\n".join(lines) if counts[0].total else NO_CHANGES)

    def destroy(self) -> Changes:
        """Delete every stack of the app."""
        lines = self._run("destroy", "--all", "--force", "--progress", "events")
        return Changes(remove=resources_of(lines, "DELETE_COMPLETE"))

    def _run(self, command: str, *arguments: str) -> list[str]:
        options = ["--output", str(self._output), "--no-color", *self._context]
        exit_code, lines = run_heard(
            [self._program(), command, *arguments, *options],
            self._directory,
            self._environment,
            self._watcher.line,
        )
        if exit_code:
            raise MillpondError(
                f"cdk {command} failed.",
                where=str(self._directory),
                next_step="correct it, then millpond deploy",
                detail="\n".join(lines[-20:]),
            )
        return lines

    def _program(self) -> str:
        """The project's own CDK, else the one on the path."""
        own = self._directory / "node_modules" / ".bin" / "cdk"
        program = str(own) if own.exists() else shutil.which("cdk")
        if program is None:
            raise MillpondError(
                "CDK's command line is not installed.",
                where=f"{own}, or the path",
                next_step="npm install --save-dev aws-cdk, then millpond deploy",
            )
        return program


def resources_of(lines: Iterable[str], status: str) -> int:
    """How many resources came to a status, by the events that CDK prints; the stacks themselves are none."""
    events = ([part.strip() for part in line.split("|")] for line in lines)
    return sum(
        event[3] == status and (event[4], event[5].split(" ")[0]) != ("AWS::CloudFormation::Stack", event[0])
        for event in events
        if len(event) == 6
    )
