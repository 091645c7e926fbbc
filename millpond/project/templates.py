"""A template of CloudFormation or SAM, deployed as it is, with the files that it names uploaded."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.client.aws import Aws
from millpond.client.environment import stack_environment
from millpond.project.deployment import NO_CHANGES, PlanResult, Watcher
from millpond.project.stacks import BuildStack, StackChange
from millpond.project.targets import LOCAL_POLL_SECONDS
from millpond.project.terraform import ensure_bucket
from millpond.project.terraform_log import Changes

ARTIFACTS = "millpond-artifacts"
_ACTIONS = {"Add": Changes(add=1), "Modify": Changes(change=1), "Remove": Changes(remove=1)}


class TemplateFile:
    """One template and the stack of CloudFormation that is made of it.

    Parameters
    ----------
    settings : Settings
        The stack of Millpond's.
    template : Path
        The file.
    parameters : mapping
        Values of the template's parameters.
    watcher : Watcher
        Whom to tell.
    is_sam : bool
        Whether functions have to be built first: by ``sam build``, where that is installed.
    """

    def __init__(
        self,
        settings: Settings,
        template: Path,
        parameters: Mapping[str, str],
        watcher: Watcher,
        *,
        is_sam: bool = False,
    ) -> None:
        self._settings = settings
        self._template = template.resolve()
        self._parameters = parameters
        self._watcher = watcher
        self._is_sam = is_sam
        self._aws = Aws(settings)
        name = settings.deploy.stack or stack_name(settings.project, self._template)
        self._work = settings.state / "templates" / name
        self.stack = BuildStack(self._aws.cloudformation, name, LOCAL_POLL_SECONDS)

    def deploy(self) -> Changes:
        """Make or change the stack; how many resources it changes.

        Raises
        ------
        MillpondError
            If a file cannot be uploaded, or CloudFormation cannot make the stack; with its own reason.
        """
        if self.stack.status is not None and not self.stack.exists:
            # What was never made can only be deleted, and holds nothing.
            self.stack.delete(self._watcher.progress)
        proposed = self.stack.propose(self._packaged(), self._parameters)
        self._watcher.stack(proposed.changes)
        if proposed.changes:
            self.stack.execute(proposed, self._watcher.progress)
        return _sum(proposed.changes)

    def plan(self) -> PlanResult:
        """What :meth:`deploy` would change now."""
        proposed = self.stack.propose(self._packaged(), self._parameters)
        if proposed.changes:
            self.stack.discard(proposed)
        return PlanResult(_sum(proposed.changes), "\n".join(map(str, proposed.changes)) or NO_CHANGES)

    def destroy(self) -> Changes:
        """Delete the stack with all that it has made."""
        if self.stack.status is None:
            raise MillpondError(
                "Nothing is deployed.", where=f"stack {self.stack.name}", next_step="millpond deploy"
            )
        count = len(
            self._aws.cloudformation.describe_stack_resources(StackName=self.stack.name)["StackResources"]
        )
        self.stack.delete(self._watcher.progress)
        return Changes(remove=count)

    def _packaged(self) -> str:
        """The template's text, with places in S3 for the local files that it names."""
        template = self._built() if self._is_sam else self._template
        ensure_bucket(self._aws, ARTIFACTS, self._aws.region)
        self._work.mkdir(parents=True, exist_ok=True)
        packaged = self._work / "packaged.yaml"
        self._watcher.progress("uploading what the template names")
        self._run(
            [sys.executable, "-m", "awscli", "cloudformation", "package", "--template-file", str(template)]
            + ["--s3-bucket", ARTIFACTS, "--output-template-file", str(packaged)],
            "What the template names could not be uploaded",
        )
        return packaged.read_text()

    def _built(self) -> Path:
        """What ``sam build`` makes of the template; itself where nothing needs to be built."""
        program = shutil.which("sam")
        if program is None:
            needs = sorted(self._template.parent.rglob("requirements.txt"))
            if needs:
                raise MillpondError(
                    "A function of the template has to be built by SAM's command line, which is not here.",
                    where=str(needs[0]),
                    next_step="uv tool install aws-sam-cli, then millpond deploy",
                )
            return self._template
        self._watcher.progress("sam build")
        directory = self._work / "build"
        self._run(
            [program, "build", "--template-file", str(self._template), "--build-dir", str(directory)]
            + ["--cached", "--cache-dir", str(self._work / "cache")],
            "sam build failed",
        )
        return directory / "template.yaml"

    def _run(self, command: list[str], failure: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        result = subprocess.run(
            command,
            cwd=self._template.parent,
            env={**kept, **stack_environment(self._settings), "SAM_CLI_TELEMETRY": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            said = (result.stderr.strip() or result.stdout.strip()).splitlines()
            raise MillpondError(
                f"{failure}: {said[-1] if said else 'it says no more'}",
                where=str(self._template),
                next_step="correct it, then millpond deploy",
                detail="\n".join(said[-15:-1]),
            )


def stack_name(project: str, template: Path) -> str:
    """The name of a template's stack: project and file, or its folder where the file has the usual name."""
    stem = template.name.partition(".")[0]
    of_file = template.parent.name if stem in {"template", "main", "index"} else stem
    name = re.sub(r"[^A-Za-z0-9]+", "-", f"{project}-{of_file}").strip("-")
    return name if name[:1].isalpha() else f"stack-{name}"


def _sum(changes: tuple[StackChange, ...]) -> Changes:
    return sum((_ACTIONS.get(change.action, Changes()) for change in changes), Changes())
