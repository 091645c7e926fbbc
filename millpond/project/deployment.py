"""Deploy the platform as in production: a CloudFormation stack, whose CodeBuild build runs Terraform."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.project.builds import DeployBuilds, FinishedBuild, state_outputs
from millpond.project.diagnosis import build_error
from millpond.project.repository import Mirror
from millpond.project.stacks import KEEPS_STATE, BuildStack, ChangeSet, StackChange
from millpond.project.targets import Target, aws_parameters, local_parameters, read_git_key
from millpond.project.terraform_log import Changes, Progress, TerraformEvent, changes_of

NO_CHANGES = "No changes. What is deployed is what the configuration says."


@dataclass(frozen=True)
class Deployment:
    """What a deploy made.

    Parameters
    ----------
    outputs : mapping
        Terraform's outputs, by name.
    changes : Changes
        How many resources were added, changed and removed.
    stack_changes : tuple of StackChange
        What changed in the stack of the build.
    seconds : float
        How long it took.
    build_id : str
        The build.
    """

    outputs: Mapping[str, Any]
    changes: Changes
    stack_changes: tuple[StackChange, ...]
    seconds: float
    build_id: str


@dataclass(frozen=True)
class PlanResult:
    """What a deploy would change.

    Parameters
    ----------
    changes : Changes
        How many resources; a total of 0 means that what is deployed is what the configuration says.
    text : str
        Terraform's own text.
    """

    changes: Changes
    text: str


@dataclass(frozen=True)
class Proposal:
    """What somebody is asked to approve.

    Parameters
    ----------
    title : str
        The question.
    lines : tuple of str
        What it is about.
    """

    title: str
    lines: tuple[str, ...]


def _yes(_proposal: Proposal) -> bool:
    return True


def _silent(_text: str) -> None:
    return


@dataclass(frozen=True)
class Watcher:
    """Whom a deployment tells how it goes, and whom it asks.

    Parameters
    ----------
    progress : callable
        Called with what is going on right now.
    event : callable
        Called as each resource of Terraform is done.
    line : callable
        Called with each line that the build prints.
    stack : callable
        Called with the changes of the stack before they are made.
    approve : callable
        Answers whether a proposal is to be carried out.
    """

    progress: Callable[[str], None] = _silent
    event: Callable[[TerraformEvent], None] = field(default=lambda _event: None)
    line: Callable[[str], None] = _silent
    stack: Callable[[Sequence[StackChange]], None] = field(default=lambda _changes: None)
    approve: Callable[[Proposal], bool] = _yes


class Deployer:
    """Deploys one environment to one target.

    Parameters
    ----------
    target : Target
        Where to.
    parameters : mapping
        Values of the template's parameters; of a stack that is there, those that change.
    template : Path
        The template; its name without suffix ends the stack's.
    directory : str
        Where Terraform's configuration is, unless the stack says.
    watcher : Watcher
        Whom to tell and to ask.
    """

    def __init__(
        self,
        target: Target,
        parameters: Mapping[str, str],
        template: Path,
        *,
        directory: str = ".",
        watcher: Watcher | None = None,
    ) -> None:
        self._target = target
        self._parameters = parameters
        self._template = _read_template(template)
        self._directory = directory
        self._watcher = watcher or Watcher()
        self._name = f"{parameters['ProjectName']}-{parameters['Environment']}"
        self.stack = stack_of(target, self._name, template)

    def deploy(self, *, unlock: str = "") -> Deployment:
        """Make the stack and the platform what the repository says.

        Parameters
        ----------
        unlock : str, optional
            ``DIRECTORY=LOCK-ID`` of a lock that was left behind, which is removed first.

        Raises
        ------
        MillpondError
            If the stack or the build fails, or somebody did not approve.
        """
        began = time.monotonic()
        stack_changes = self._update_stack()
        variables = {"DEPLOY_ACTION": "deploy", **({"UNLOCK": unlock} if unlock else {})}
        build, changes = self._build(variables)
        outputs, _ = self._state()
        return Deployment(outputs, changes, stack_changes, time.monotonic() - began, build.id)

    def plan(self) -> PlanResult:
        """What :meth:`deploy` would change now; only where there is no stack yet, that is made."""
        if not self.stack.exists:
            if not self._target.is_local:
                raise MillpondError(
                    "There is no stack that could plan.",
                    where=f"stack {self.stack.name}",
                    next_step="millpond deploy --target aws: it shows what it would do, and asks",
                )
            self._update_stack()
        build = self._run({"DEPLOY_ACTION": "plan", **self._overrides()})
        plans = self._builds.plans(build)
        changes = sum((changes_of(text) for text in plans.values()), Changes())
        changed = [text.strip() for text in plans.values() if "No changes." not in text]
        return PlanResult(changes, "\n\n".join(changed) or NO_CHANGES)

    def destroy(self) -> Changes:
        """Remove the platform with the data in it, then the stack.

        The bucket of the state outlives the stack; where it holds no resource and is local, it goes too.

        Raises
        ------
        MillpondError
            If Terraform or CloudFormation cannot remove something, or somebody did not approve.
        """
        status = self.stack.status
        if status is None:
            raise MillpondError(
                "Nothing is deployed.", where=f"stack {self.stack.name}", next_step="millpond deploy"
            )
        if not self._target.is_local:
            self._ask(Proposal(f"Remove {self._name}, with its data", self._place()))
        changes = Changes()
        bucket = self.stack.outputs.get(KEEPS_STATE)
        if self.stack.exists:
            _, changes = self._build({"DEPLOY_ACTION": "destroy", **self._overrides()})
            _, left = self._state()
            if left:
                raise MillpondError(
                    f"{left} resources are still there, so the stack stays.",
                    where=f"stack {self.stack.name}",
                    next_step="millpond destroy again",
                )
        self._watcher.progress("deleting the stack")
        self.stack.delete(self._watcher.progress)
        if bucket and self._target.is_local:
            self._remove_bucket(bucket)
        return changes

    def _update_stack(self) -> tuple[StackChange, ...]:
        self._watcher.progress("asking CloudFormation what would change")
        proposed = self.stack.propose(self._template, self._parameters)
        self._watcher.stack(proposed.changes)
        self._refuse_to_lose_the_state(proposed)
        try:
            if not self._target.is_local:
                self._ask(
                    Proposal(
                        f"Deploy {self._name}", (*self._place(), *map(str, proposed.changes or ["no change"]))
                    )
                )
        except BaseException:
            if proposed.changes:
                self.stack.discard(proposed)
            raise
        if proposed.changes:
            self.stack.execute(proposed, self._watcher.progress)
        return proposed.changes

    def _refuse_to_lose_the_state(self, proposed: ChangeSet) -> None:
        for change in proposed.changes:
            is_lost = change.action == "Remove" or change.replacement == "True"
            if change.logical_id == KEEPS_STATE and is_lost and proposed.kind == "UPDATE":
                self.stack.discard(proposed)
                raise MillpondError(
                    "A changed parameter would replace the bucket of Terraform's state: "
                    "the platform would be forgotten.",
                    where=f"stack {self.stack.name}, {change.resource_type} {change.logical_id}",
                    next_step="millpond destroy, then millpond deploy; or deploy as another environment",
                )

    def _build(self, variables: Mapping[str, str]) -> tuple[FinishedBuild, Changes]:
        """Run a build that applies; where its plan waits for approval, ask, and apply that very plan."""
        progress = Progress()
        build = self._run(variables, progress)
        if build.environment.get("NEEDS_APPROVAL") == "true" and progress.planned.total:
            plans = self._builds.plans(build)
            lines = tuple(line for text in plans.values() for line in text.strip().splitlines())
            self._ask(Proposal(f"Apply this plan to {self._name}", (*self._place(), *lines)))
            commit = next((c for line in build.lines if (c := _commit(line))), "")
            applied = {"DEPLOY_ACTION": "apply", **variables, "GIT_COMMIT": commit}
            build = self._run({**applied, "DEPLOY_ACTION": "apply"}, Progress(), plan_of=build)
        return build, progress.planned

    def _run(
        self,
        variables: Mapping[str, str],
        progress: Progress | None = None,
        *,
        plan_of: FinishedBuild | None = None,
    ) -> FinishedBuild:
        self._watcher.progress("starting the build")
        progress = progress or Progress()

        def take(line: str) -> None:
            self._watcher.line(line)
            if event := progress.read(line):
                self._watcher.event(event)

        build = self._builds.run(variables, take, plan_of=plan_of)
        if build.status != "SUCCEEDED":
            raise build_error(build)
        return build

    def _overrides(self) -> dict[str, str]:
        """What a build is told that is not in the stack, because a plan must not change that."""
        names = {
            "CONFIG_REPO_URL": "ConfigRepoURL",
            "GIT_BRANCH": "GitBranch",
            "TERRAFORM_VARIABLES": "TerraformVariables",
        }
        return {name: self._parameters[key] for name, key in names.items() if key in self._parameters}

    @property
    def _builds(self) -> DeployBuilds:
        return DeployBuilds(
            self._target.aws.codebuild,
            self._target.aws.logs,
            self._target.aws.s3,
            project=self.stack.outputs["CodeBuildProject"],
            poll_seconds=self._target.poll_seconds,
            template=self._template,
        )

    def _state(self) -> tuple[Mapping[str, Any], int]:
        return _outputs_and_left(self._target, self.stack, self._directory)

    def _place(self) -> tuple[str, ...]:
        aws = self._target.aws
        return (f"account {aws.account_id}, region {aws.region}, stack {self.stack.name}",)

    def _ask(self, proposal: Proposal) -> None:
        if not self._watcher.approve(proposal):
            raise MillpondError(
                f"Not approved: {proposal.title}.",
                where=self._place()[0],
                next_step="nothing was changed; run the command again to be asked again",
            )

    def _remove_bucket(self, bucket: str) -> None:
        s3 = self._target.aws.s3
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
        s3.delete_bucket(Bucket=bucket)


def stack_of(target: Target, name: str, template: Path) -> BuildStack:
    """The stack that deploys ``PROJECT-ENVIRONMENT``."""
    return BuildStack(target.aws.cloudformation, f"{name}-{template.stem}", target.poll_seconds)


def deployed_outputs(settings: Settings, target: Target) -> Mapping[str, Any]:
    """Terraform's outputs of what is deployed to a target; none where nothing is."""
    stack = stack_of(target, settings.prefix, Path(settings.deploy.template))
    if not stack.exists:
        return {}
    outputs, _ = _outputs_and_left(target, stack, settings.deploy.directory)
    return outputs


def _outputs_and_left(target: Target, stack: BuildStack, directory: str) -> tuple[Mapping[str, Any], int]:
    """The outputs in the states of Terraform, and how many resources they hold."""
    directories = stack.parameters.get("DeploymentDirPath", directory).split(",")
    return state_outputs(target.aws.s3, stack.outputs[KEEPS_STATE], directories)


def _read_template(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise MillpondError(
            f"The template of the stack cannot be read: {error}.",
            where=str(path),
            next_step="name it in millpond.toml: [deploy], template",
        ) from error


def local(
    settings: Settings,
    terraform: Path,
    watcher: Watcher | None = None,
    *,
    checkout: Path | None = None,
    branch: str | None = None,
    git_key: Path | None = None,
) -> Deployer:
    """What deploys the work tree to the local stack.

    Parameters
    ----------
    settings : Settings
        The stack.
    terraform : Path
        Terraform, as the toolchain found it.
    watcher : Watcher, optional
        Whom to tell and to ask.
    checkout : Path, optional
        What is deployed, with what is not committed; the project unless given.
    branch : str, optional
        A branch of it instead, as it is committed.
    git_key : Path, optional
        File of a private key that the build is given, as on AWS.

    Raises
    ------
    MillpondError
        If the engine does not answer, or Git cannot read the checkout.
    """
    _require_engine(settings)
    target = Target.local(settings)
    checkout = checkout or settings.project_dir
    snapshot = Mirror(checkout, settings.repository).snapshot(branch)
    parameters = {
        **local_parameters(settings, target, terraform),
        "ConfigRepoURL": settings.repository_url,
        "GitBranch": snapshot.branch,
        "GitSSHPrivateKey": read_git_key(git_key) if git_key else "",
    }
    return _deployer(settings, target, parameters, checkout, watcher)


def aws(
    settings: Settings,
    watcher: Watcher,
    *,
    region: str | None = None,
    parameters: Path | None = None,
    branch: str | None = None,
    git_key: Path | None = None,
) -> Deployer:
    """What deploys to the AWS account of the usual credential chain: see :func:`aws_parameters`."""
    target, checkout = Target.account(region), settings.project_dir
    has_stack = stack_of(target, settings.prefix, Path(settings.deploy.template)).exists
    values = aws_parameters(
        settings, checkout, file=parameters, branch=branch, git_key=git_key, has_stack=has_stack
    )
    return _deployer(settings, target, values, checkout, watcher)


def _deployer(
    settings: Settings,
    target: Target,
    parameters: Mapping[str, str],
    checkout: Path,
    watcher: Watcher | None,
) -> Deployer:
    template = checkout / settings.deploy.template
    return Deployer(target, parameters, template, directory=settings.deploy.directory, watcher=watcher)


def _commit(line: str) -> str:
    """The commit in the line with which a build says what it deploys."""
    prefix = "Deploying "
    return line.removeprefix(prefix).partition(":")[0] if line.startswith(prefix) else ""


def _require_engine(settings: Settings) -> None:
    try:
        socket.create_connection(("127.0.0.1", settings.gateway_port), timeout=5).close()
    except OSError as error:
        raise MillpondError(
            f"The engine does not answer: {error.strerror or error}.",
            where=settings.endpoint_url,
            next_step="millpond up",
        ) from error
