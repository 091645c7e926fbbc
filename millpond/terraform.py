"""Terraform as a child process, through ``tflocal``, in a working directory of its own.

``tflocal`` writes the endpoints of the local stack into an override file next to the configuration, so
the configuration is copied below the state directory first: the checkout stays as it is, and two stacks
do not meet. The child sees no credentials, profile or Terraform setting of the person who runs it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from millpond import process
from millpond.errors import MillpondError

TESTED_PROVIDER = "5.100.0"
PROVIDER = "registry.terraform.io/hashicorp/aws"
OVERRIDE = "localstack_providers_override.tf"
VARIABLES = "millpond.auto.tfvars.json"
PROVIDER_OVERRIDE = "millpond_override.tf.json"
# The provider's default of 25 turns a refusal of the engine into a wait of many minutes.
MAX_RETRIES = 3
PLAN_FILE = "millpond.tfplan"
TIMEOUT = 900.0
STOP_TIMEOUT = 60.0
# How services say that something is there already, for example after an apply that was interrupted:
# DynamoDB refuses with a condition to put an item that Terraform did not put.
EXISTS = ("already exists", "AlreadyExists", "AlreadyOwnedByYou", "ConditionalCheckFailed")
EMPTY_THE_STACK = "the stack holds what Terraform does not know of: millpond down, up, then deploy"
# Of its environment a child keeps what reaches the registry, and nothing that reaches an account.
INHERITED = (
    "PATH",
    "LANG",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)


@dataclass(frozen=True)
class TerraformTool:
    """What to run.

    Parameters
    ----------
    binary : Path
        Terraform or OpenTofu.
    mirror : Path or None
        Directory that holds ``registry.terraform.io/hashicorp/aws``; None to ask the registry.
    """

    binary: Path
    mirror: Path | None


@dataclass(frozen=True)
class Changes:
    """How many resources Terraform adds, changes and removes; a replaced one counts twice."""

    add: int = 0
    change: int = 0
    remove: int = 0

    @property
    def total(self) -> int:
        return self.add + self.change + self.remove

    def __str__(self) -> str:
        return f"{self.add} added, {self.change} changed, {self.remove} removed"


@dataclass(frozen=True)
class TerraformEvent:
    """One resource is done.

    Parameters
    ----------
    address : str
        The resource, for example ``aws_glue_job.ingest["shell"]``.
    action : str
        ``create``, ``update`` or ``delete``.
    done, total : int
        How many of the planned changes are made.
    """

    address: str
    action: str
    done: int
    total: int

    def __str__(self) -> str:
        return f"{self.done}/{self.total} {self.action} {self.address}"


OnEvent = Callable[[TerraformEvent], None]


@dataclass
class _Stream:
    """What the lines of ``terraform -json`` have said so far."""

    on_event: OnEvent | None = None
    planned: Changes = field(default_factory=Changes)
    done: int = 0
    outputs: dict[str, Any] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    other_lines: list[str] = field(default_factory=list)

    def read(self, line: str) -> None:
        try:
            message = json.loads(line)
        except json.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            self.other_lines.append(line)
            return
        match message.get("type"):
            case "change_summary" if message["changes"]["operation"] == "plan":
                counts = message["changes"]
                self.planned = Changes(counts["add"], counts["change"], counts["remove"])
            case "apply_complete" if message["hook"]["action"] != "read":
                self.done += 1
                hook = message["hook"]
                if self.on_event:
                    address, action = hook["resource"]["addr"], hook["action"]
                    self.on_event(TerraformEvent(address, action, self.done, self.planned.total))
            case "outputs":
                self.outputs = {name: output.get("value") for name, output in message["outputs"].items()}
            case "diagnostic" if message["diagnostic"]["severity"] == "error":
                self.errors.append(message["diagnostic"])


class Terraform:
    """One configuration in one working directory.

    Parameters
    ----------
    tool : TerraformTool
        What to run.
    source : Path
        The configuration in the checkout; it is copied, never written to.
    work : Path
        Working directory: the copy, Terraform's state and its data.
    cache : Path
        Where providers are kept, shared by every stack.
    pid_file, log_file : Path
        Where the child is recorded, and what it printed.
    endpoint_url, region : str
        The local stack.
    variables : mapping
        Values of the configuration's variables.
    """

    def __init__(
        self,
        tool: TerraformTool,
        *,
        source: Path,
        work: Path,
        cache: Path,
        pid_file: Path,
        log_file: Path,
        endpoint_url: str,
        region: str,
        variables: Mapping[str, Any],
    ) -> None:
        self._tool = tool
        self._source = source
        self._work = work
        self._cache = cache
        self._pid_file = pid_file
        self._log_file = log_file
        self._endpoint_url = endpoint_url
        self._region = region
        self._variables = variables

    def prepare(self) -> None:
        """Copy the configuration and fetch its provider; nothing is fetched twice."""
        self._work.mkdir(parents=True, exist_ok=True)
        synchronise(self._source, self._work)
        (self._work / VARIABLES).write_text(json.dumps(self._variables, indent=2, sort_keys=True))
        override = {"provider": {"aws": {"max_retries": MAX_RETRIES}}}
        (self._work / PROVIDER_OVERRIDE).write_text(json.dumps(override, indent=2))
        self._cli_config.write_text(cli_config(self._tool.mirror))
        self._initialise()

    def apply(self, on_event: OnEvent | None = None) -> tuple[Changes, dict[str, Any]]:
        """Make the stack what the configuration says; answer the changes and the outputs."""
        stream = _Stream(on_event)
        self._check(self._run(["apply", "-json", "-auto-approve", *_LOCKED], stream), stream)
        return stream.planned, stream.outputs

    def plan(self) -> tuple[Changes, str]:
        """What an apply would change, and Terraform's own text of it."""
        stream = _Stream()
        arguments = ["plan", "-json", "-detailed-exitcode", f"-out={PLAN_FILE}", *_LOCKED]
        code = self._run(arguments, stream)
        if code == 2:
            return stream.planned, self._show()
        self._check(code, stream)
        return stream.planned, "No changes. What is deployed is what the configuration says."

    def destroy(self, on_event: OnEvent | None = None) -> Changes:
        """Remove everything that was deployed."""
        stream = _Stream(on_event)
        self._check(self._run(["destroy", "-json", "-auto-approve", *_LOCKED], stream), stream)
        return stream.planned

    def _show(self) -> str:
        shown = subprocess.run(
            [self._tool.binary, "show", "-no-color", PLAN_FILE],
            cwd=self._work,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        (self._work / PLAN_FILE).unlink()
        if shown.returncode != 0:
            raise MillpondError("Terraform cannot show its plan.", where=str(self._work), detail=shown.stderr)
        return shown.stdout.strip()

    @property
    def _cli_config(self) -> Path:
        return self._work / "terraform.rc"

    def _initialise(self) -> None:
        stamp = self._work / ".terraform" / "millpond.stamp"
        wanted = hashlib.sha256(
            f"{self._tool}{self._cache}".encode() + (self._work / "versions.tf").read_bytes()
        ).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        shutil.rmtree(self._work / ".terraform", ignore_errors=True)
        (self._work / ".terraform.lock.hcl").write_text(lock_file(self._tool.mirror))
        self._cache.mkdir(parents=True, exist_ok=True)
        stream = _Stream()
        # Terraform's provider cache is not safe for two of them at once.
        with FileLock(self._cache / ".lock"):
            self._check(self._run(["init", "-json", "-input=false"], stream), stream)
        stamp.write_text(wanted)

    def _run(self, arguments: Sequence[str], stream: _Stream) -> int:
        # What a killed tflocal leaves behind, and refuses to overwrite.
        (self._work / OVERRIDE).unlink(missing_ok=True)
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        child = subprocess.Popen(
            [sys.executable, Path(sys.executable).parent / "tflocal", *arguments],
            cwd=self._work,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        owned = process.record(child.pid, self._pid_file)
        overdue = threading.Timer(TIMEOUT, owned.stop, [STOP_TIMEOUT])
        overdue.start()
        try:
            assert child.stdout is not None
            with child.stdout as lines, self._log_file.open("a") as log:
                try:
                    for line in lines:
                        log.write(line)
                        stream.read(line.rstrip("\n"))
                except BaseException:
                    # tflocal hands it on; Terraform ends what it is at and saves its state, as long as
                    # somebody reads what it says. Interrupted a second time, it is stopped.
                    child.send_signal(signal.SIGINT)
                    log.writelines(lines)
                    raise
            return child.wait()
        finally:
            overdue.cancel()
            owned.stop(STOP_TIMEOUT)
            child.wait()

    def environment(self) -> dict[str, str]:
        """The whole environment of the child."""
        kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return kept | {
            "HOME": str(self._work),
            "TF_CMD": str(self._tool.binary),
            "TF_CLI_CONFIG_FILE": str(self._cli_config),
            "TF_PLUGIN_CACHE_DIR": str(self._cache),
            # The lock file is made anew in each working directory, so the cache cannot break it.
            "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "1",
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "DISABLE_DEPRECATION_NOTICE": "1",
            "AWS_ENDPOINT_URL": self._endpoint_url,
            "S3_HOSTNAME": "127.0.0.1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def _check(self, code: int, stream: _Stream) -> None:
        if code == 0:
            return
        if stream.errors:
            raise diagnostic_error(stream.errors, self._source)
        raise MillpondError(
            f"Terraform ended with exit code {code}.",
            where=str(self._work),
            next_step=f"read {self._log_file}",
            detail="\n".join(stream.other_lines[-20:]),
        )


_LOCKED = ("-input=false", "-lock-timeout=30s")


def synchronise(source: Path, work: Path) -> None:
    """Make the configuration files in a working directory those of the source, and touch nothing else."""
    wanted = {path.relative_to(source) for path in _configuration_files(source)}
    for path in list(_configuration_files(work)):
        if path.relative_to(work) not in wanted:
            path.unlink()
    for relative in wanted:
        (work / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / relative, work / relative)


def cli_config(mirror: Path | None) -> str:
    """Terraform's CLI configuration: where providers come from."""
    if mirror is None:
        return "provider_installation {\n  direct {}\n}\n"
    return (
        "provider_installation {\n"
        "  filesystem_mirror {\n"
        f"    path    = {json.dumps(str(mirror))}\n"
        f'    include = ["{PROVIDER}"]\n'
        "  }\n"
        "  direct {\n"
        f'    exclude = ["{PROVIDER}"]\n'
        "  }\n"
        "}\n"
    )


def lock_file(mirror: Path | None) -> str:
    """A dependency lock on the provider version that Millpond is tested with, where it can be had.

    It holds no hashes: Terraform adds the one for this machine's architecture.
    """
    if mirror is not None and not any((mirror / PROVIDER).glob(f"*{TESTED_PROVIDER}*")):
        return ""
    return f'provider "{PROVIDER}" {{\n  version = "{TESTED_PROVIDER}"\n}}\n'


def diagnostic_error(errors: Sequence[Mapping[str, Any]], source: Path) -> MillpondError:
    """The error a person sees for Terraform's diagnostics: the first in full, the others in a line each."""
    first, *others = errors
    detail = [first.get("detail", "")]
    detail += [f"also: {_headline(other)} ({_place(other, source)})" for other in others]
    text = " ".join(f"{error['summary']} {error.get('detail', '')}" for error in errors)
    is_unknown_to_state = any(word in text for word in EXISTS)
    return MillpondError(
        f"Terraform: {first['summary']}",
        where=_place(first, source),
        next_step=EMPTY_THE_STACK if is_unknown_to_state else "correct it, then run millpond deploy",
        detail="\n".join(line for line in detail if line),
    )


def _headline(diagnostic: Mapping[str, Any]) -> str:
    lines = str(diagnostic.get("detail", "")).strip().splitlines()
    return f"{diagnostic['summary']}: {lines[0]}" if lines else str(diagnostic["summary"])


def _place(diagnostic: Mapping[str, Any], source: Path) -> str:
    address = diagnostic.get("address", "")
    place = diagnostic.get("range")
    if not place:
        return str(address)
    location = f"{source.name}/{place['filename']}:{place['start']['line']}"
    return f"{location} ({address})" if address else location


def _configuration_files(directory: Path) -> Iterator[Path]:
    for pattern in ("*.tf", "state_machines/*.tftpl"):
        yield from directory.glob(pattern)
