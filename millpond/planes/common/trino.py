"""Which engine answers, and where Trino is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

INSTALL = "millpond trino install"
"""The command that fetches Trino."""
INSTALLED = "installed.json"
"""Written last by it, into Trino's directory; names the Java that runs it."""


@dataclass(frozen=True)
class Installation:
    """A Trino on this machine.

    Parameters
    ----------
    directory : Path
        With ``lib`` and ``plugin``.
    java_home : Path
        Java 24 or later.
    """

    directory: Path
    java_home: Path

    @classmethod
    def find(cls, directory: Path) -> Installation | None:
        """The Trino in a directory, if it was installed there completely."""
        try:
            content = json.loads((directory / INSTALLED).read_text())
        except FileNotFoundError:
            return None
        return cls(directory, Path(content["java_home"]))


@dataclass(frozen=True)
class EngineSettings:
    """The table ``[athena]`` of the settings, as the engine process gets it.

    Parameters
    ----------
    engine : str
        ``auto``, ``duckdb``, ``trino``, or the address of a coordinator.
    user : str
        Who asks a coordinator.
    home : Path, optional
        Where Trino is, or will be once it is installed.
    heap : str
        What its JVM may take for objects, as Java writes it.
    idle_seconds : float
        After so long without a query it is stopped.
    """

    engine: str = "duckdb"
    user: str = "athena"
    home: Path | None = None
    heap: str = "2g"
    idle_seconds: float = 900.0

    @property
    def coordinator(self) -> str:
        """Address of the coordinator of an existing cluster; empty without one."""
        return self.engine if "://" in self.engine else ""

    @property
    def asks_trino_first(self) -> bool:
        """Whether no statement is compiled that Trino can answer."""
        return self.engine not in ("auto", "duckdb")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> EngineSettings:
        """Read what :meth:`to_environment` wrote; without it there is no Trino."""
        env = os.environ if environment is None else environment
        if "MILLPOND_ATHENA_ENGINE" not in env:
            return cls()
        return cls(
            env["MILLPOND_ATHENA_ENGINE"],
            env["MILLPOND_ATHENA_TRINO_USER"],
            Path(env["MILLPOND_ATHENA_TRINO_HOME"]),
            env["MILLPOND_ATHENA_TRINO_HEAP"],
            float(env["MILLPOND_ATHENA_TRINO_IDLE_SECONDS"]),
        )

    def to_environment(self) -> dict[str, str]:
        """The variables from which :meth:`from_environment` makes the same."""
        return {
            "MILLPOND_ATHENA_ENGINE": self.engine,
            "MILLPOND_ATHENA_TRINO_USER": self.user,
            "MILLPOND_ATHENA_TRINO_HOME": str(self.home),
            "MILLPOND_ATHENA_TRINO_HEAP": self.heap,
            "MILLPOND_ATHENA_TRINO_IDLE_SECONDS": str(self.idle_seconds),
        }
