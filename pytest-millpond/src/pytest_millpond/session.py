"""The stack as tests see it: deploy to it, forget what it holds, keep it and bring it back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_millpond import tool
from pytest_millpond.stack import Stack

DEFAULT_ACCOUNT = "test"


class DeploymentFailed(AssertionError):  # noqa: N818
    """What should be deployed is not; with what ``millpond deploy`` says."""


class Millpond:
    """The stack of this session.

    Parameters
    ----------
    stack : Stack
        Where it is.
    worker : str
        Of pytest-xdist, for example ``gw0``; empty without it.
    account : str
        Twelve digits where this worker has an account of its own, else ``test``.
    """

    def __init__(self, stack: Stack, worker: str, account: str) -> None:
        self.stack = stack
        self.worker = worker
        self.account = account

    @property
    def endpoint_url(self) -> str:
        """Where AWS's API answers."""
        return self.stack.endpoint_url

    @property
    def region(self) -> str:
        """The region of all clients."""
        return self.stack.region

    def unique(self, name: str) -> str:
        """A name that no other worker has, for what is shared by all accounts: buckets."""
        return f"{name}-{self.worker}" if self.worker else name

    def deploy(
        self,
        what: str | Path = "",
        variables: Mapping[str, str] | None = None,
        *,
        check: bool = False,
    ) -> None:
        """Deploy a directory of Terraform, a template or an app of CDK, as ``millpond deploy`` does.

        Parameters
        ----------
        what : str or Path
            As on the command line, from the project's folder; what ``millpond.toml`` says unless given.
        variables : mapping
            Become ``--var NAME=VALUE``.
        check : bool
            Also plan again: nothing may be left to change.

        Raises
        ------
        DeploymentFailed
            If it fails.
        """
        __tracebackhide__ = True
        if self.account != DEFAULT_ACCOUNT:
            raise DeploymentFailed(
                "millpond deploys into the default account, and this worker has one of its own: use another "
                "millpond_isolation than account."
            )
        arguments = ["deploy", *([str(what)] if what else []), *(["--check"] if check else [])]
        for name, value in (variables or {}).items():
            arguments += ["--var", f"{name}={value}"]
        done = tool.run(arguments, Path(self.stack.project), self.stack.variables)
        if done.returncode:
            raise DeploymentFailed(
                f"`millpond {' '.join(arguments)}` failed in {self.stack.project}:\n"
                f"{tool.last_lines(done.stdout + done.stderr)}"
            )

    def reset(self) -> None:
        """Forget everything on the AWS side.

        Raises
        ------
        RuntimeError
            If the stack is not this session's own.
        """
        if not self.stack.is_own:
            raise RuntimeError(
                f"The stack at {self.endpoint_url} ran before these tests, and what is deployed there stays: "
                "use millpond_stack = own."
            )
        self.stack.tell("/_localstack/state/reset", {"services": []})


class Snapshots:
    """The whole stack, kept as one file: ``snapshot.save("seeded")``, ``snapshot.load("seeded")``."""

    def __init__(self, millpond: Millpond) -> None:
        self._millpond = millpond

    def _run(self, *arguments: str) -> str:
        stack = self._millpond.stack
        return tool.require(["snapshot", *arguments], Path(stack.project), stack.variables)

    def names(self) -> list[str]:
        """Those of this project."""
        kept: list[dict[str, Any]] = json.loads(self._run("list", "--json"))
        return [str(one["name"]) for one in kept]

    def save(self, name: str) -> None:
        """Keep the stack as it is."""
        self._run("save", name)

    def load(self, name: str) -> None:
        """Make the stack what it was.

        Raises
        ------
        RuntimeError
            If the stack is not this session's own.
        """
        if not self._millpond.stack.is_own:
            raise RuntimeError("Only a stack of the session's own is replaced: use millpond_stack = own.")
        tool.require(["down"], Path(self._millpond.stack.project), self._millpond.stack.variables)
        self._run("load", name)
