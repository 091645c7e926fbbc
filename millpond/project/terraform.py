"""A directory of Terraform, applied to the stack as it is, by the ``terraform`` of this machine.

Terraform works in a folder of links to the project's files, so that what it writes beside a configuration
(``.terraform``, the lock of providers) is not in the project. Its state is kept in the stack, in S3: where
the configuration says, or in a bucket of Millpond's.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.client.aws import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Aws
from millpond.client.environment import stack_environment
from millpond.project.deployment import NO_CHANGES, PlanResult, Watcher
from millpond.project.programs import run_heard
from millpond.project.terraform_log import Changes, Progress, changes_of, diagnostics

STATE_BUCKET = "millpond-terraform-state"
OVERRIDE = "millpond_override.tf"
# What Terraform makes beside a configuration.
_MADE = {".terraform", "terraform.tfstate", "terraform.tfstate.backup", "terraform.tfstate.d"}
_LOCK = ".terraform.lock.hcl"
_BACKEND = re.compile(r"^\s*backend\s+\"s3\"\s*\{(?P<body>[^}]*)\}", re.MULTILINE)
_VALUE = re.compile(r"^\s*(?P<name>\w+)\s*=\s*\"(?P<value>[^\"$]+)\"", re.MULTILINE)
_PROFILE = re.compile(r"^\s*profile\s*=\s*\"(?P<name>[^\"$]+)\"", re.MULTILINE)
_CHANGED = 2


class TerraformDirectory:
    """One configuration and the stack that it is applied to.

    Parameters
    ----------
    settings : Settings
        The stack.
    directory : Path
        Where the configuration is, below the project's directory or elsewhere.
    program : Path
        Terraform or OpenTofu.
    variables : mapping
        Values of the configuration's variables.
    watcher : Watcher
        Whom to tell.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Path,
        program: Path,
        variables: Mapping[str, Any],
        watcher: Watcher,
    ) -> None:
        self._settings = settings
        self._source = directory.resolve()
        self._program = program
        self._watcher = watcher
        name = hashlib.sha256(str(self._source).encode()).hexdigest()[:12]
        self._work = settings.state / "terraform" / f"{self._source.name}-{name}"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **stack_environment(settings),
            **{f"TF_VAR_{name}": _as_text(value) for name, value in variables.items()},
            "TF_IN_AUTOMATION": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def deploy(self) -> Changes:
        """Make the stack what the configuration says; how much was changed.

        Raises
        ------
        MillpondError
            If Terraform cannot; with its own words.
        """
        progress = Progress()
        here = self._prepare()
        self._run(here, ["apply", "-auto-approve"], progress)
        return progress.planned

    def plan(self) -> PlanResult:
        """What :meth:`deploy` would change now."""
        here = self._prepare()
        lines = self._run(here, ["plan", "-detailed-exitcode"], Progress(), accepted=(0, _CHANGED))
        text = "\n".join(lines)
        changes = changes_of(text)
        return PlanResult(changes, text if changes.total or "No changes." not in text else NO_CHANGES)

    def destroy(self) -> Changes:
        """Remove all that the configuration has made."""
        progress = Progress()
        self._run(self._prepare(), ["destroy", "-auto-approve"], progress)
        return progress.planned

    def _prepare(self) -> Path:
        """The folder that Terraform works in, initialized."""
        here = link(self._source, self._settings.project_dir, self._work / "tree")
        text = "\n".join(file.read_text(errors="replace") for file in sorted(self._source.glob("*.tf")))
        self._environment |= self._profiles(text)
        backend = backend_of(text)
        aws = Aws(self._settings)
        if backend is None:
            (here / OVERRIDE).write_text(_backend(self._settings, f"{self._work.name}/terraform.tfstate"))
            ensure_bucket(aws, STATE_BUCKET, aws.region)
        else:
            region = backend.get("region", aws.region)
            ensure_bucket(aws, backend["bucket"], region)
            if "dynamodb_table" in backend:
                _ensure_lock_table(aws, backend["dynamodb_table"], region)
        self._watcher.progress("terraform init")
        self._run(here, ["init", "-reconfigure"], Progress())
        return here

    def _profiles(self, text: str) -> dict[str, str]:
        """AWS's files with the profiles that a configuration names, each with the stack's credentials."""
        keys = f"aws_access_key_id = {ACCESS_KEY_ID}\naws_secret_access_key = {SECRET_ACCESS_KEY}\n"
        names = {"default", *(match["name"] for match in _PROFILE.finditer(text))}
        self._work.mkdir(parents=True, exist_ok=True)
        credentials, configuration = self._work / "credentials", self._work / "config"
        credentials.write_text("".join(f"[{name}]\n{keys}" for name in sorted(names)))
        configuration.write_text(
            "".join(
                f"[{'' if name == 'default' else 'profile '}{name}]\nregion = {self._settings.region}\n"
                for name in sorted(names)
            )
        )
        return {
            "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
            "AWS_CONFIG_FILE": str(configuration),
        }

    def _run(
        self, here: Path, command: list[str], progress: Progress, *, accepted: Iterable[int] = (0,)
    ) -> list[str]:
        def hear(line: str) -> None:
            self._watcher.line(line)
            if event := progress.read(line):
                self._watcher.event(event)

        whole = [str(self._program), *command, "-input=false", "-no-color"]
        exit_code, lines = run_heard(whole, here, self._environment, hear)
        if exit_code not in accepted:
            raise self._failure(command[0], lines)
        return lines

    def _failure(self, command: str, lines: list[str]) -> MillpondError:
        errors = diagnostics(lines)
        if not errors:
            return MillpondError(
                f"terraform {command} failed.", where=str(self._source), detail="\n".join(lines[-20:])
            )
        first = errors[0]
        next_step = f"correct it, then millpond deploy {os.path.relpath(self._source)}"
        if "No value for required variable" in first.summary:
            next_step = "give it: millpond deploy --var NAME=VALUE, or [deploy.variables] in millpond.toml"
        others = [f"{diagnostic.summary} {diagnostic.place}".strip() for diagnostic in errors[1:]]
        return MillpondError(
            f"terraform {command}: {first.summary}",
            where=f"{self._source}{': ' if first.place else ''}{first.place}",
            next_step=next_step,
            detail="\n".join([first.detail, *others]).strip(),
        )


def link(source: Path, project: Path, tree: Path) -> Path:
    """A folder whose entries are links to those of a directory, with the same neighbours up to the project's.

    Parameters
    ----------
    source : Path
        The directory.
    project : Path
        The project's; the directory's own neighbours are linked too if it is not below it.
    tree : Path
        Where to; what is there from before is kept where it is no link.

    Returns
    -------
    Path
        What stands for the directory.
    """
    top = project.resolve() if source.is_relative_to(project.resolve()) else source.parent
    here, there = tree, top
    for part in [*source.relative_to(top).parts, None]:
        here.mkdir(parents=True, exist_ok=True)
        for old in here.iterdir():
            if old.is_symlink():
                old.unlink()
        for entry in there.iterdir():
            if entry.name != part and entry.name not in _MADE and entry.name != ".millpond":
                _link_one(entry, here / entry.name)
        if part is not None:
            here, there = here / part, there / part
    return here


def _link_one(entry: Path, target: Path) -> None:
    if entry.name == _LOCK:
        # Terraform writes it; the project's own stays as it is.
        shutil.copy(entry, target)
    elif not target.exists():
        target.symlink_to(entry)


def backend_of(text: str) -> dict[str, str] | None:
    """Where a configuration keeps its state in S3, if it says so as a whole."""
    backend = _BACKEND.search(text)
    if backend is None:
        return None
    values = {match["name"]: match["value"] for match in _VALUE.finditer(backend["body"])}
    return values if {"bucket", "key"} <= values.keys() else None


def _backend(settings: Settings, key: str) -> str:
    return (
        'terraform {\n  backend "s3" {\n'
        f'    bucket = "{STATE_BUCKET}"\n    key    = "{key}"\n    region = "{settings.region}"\n'
        "  }\n}\n"
    )


def ensure_bucket(aws: Aws, name: str, region: str) -> None:
    """A bucket that keeps versions, made where there is none of that name."""
    client = aws.session.client("s3", region_name=region, endpoint_url=aws.endpoint_url)
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != HTTPStatus.NOT_FOUND:
            raise
        place: Any = {"LocationConstraint": region}
        more = {} if region == "us-east-1" else {"CreateBucketConfiguration": place}
        client.create_bucket(Bucket=name, **more)
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def _ensure_lock_table(aws: Aws, name: str, region: str) -> None:
    client = aws.session.client("dynamodb", region_name=region, endpoint_url=aws.endpoint_url)
    try:
        client.describe_table(TableName=name)
    except client.exceptions.ResourceNotFoundException:
        client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )


def _as_text(value: Any) -> str:
    """A value of a variable as Terraform reads it from the environment: a text as it is, others as HCL."""
    return value if isinstance(value, str) else json.dumps(value)
