"""The tier without Docker: the engine and PostgreSQL as processes on 127.0.0.1."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from millpond.base import process
from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.stack import Service, StepCallback
from millpond.stack.engine import Engine
from millpond.stack.onprem import OnPremDatabase

MINIMUM_FREE_BYTES = 500 * 1024 * 1024


class EmbeddedStack:
    """Engine and, where the project asks for one, on-premises database of one project.

    Parameters
    ----------
    settings : Settings
        Ports and the state directory.
    tools_file : Path
        What the planes in the engine run, as :func:`millpond.toolchain.components.ensure` left it.
    """

    def __init__(self, settings: Settings, tools_file: Path) -> None:
        self._settings = settings
        self.engine = Engine(settings, tools_file)
        self.onprem = OnPremDatabase(settings)

    def up(self, on_step: StepCallback | None = None) -> None:
        """Start the database, if the project asks for one, and the engine.

        Raises
        ------
        MillpondError
            If a port is taken, the disk is full or a service does not become healthy. What this call
            had started is stopped again, also when it is interrupted.
        """
        _require_free_disk(self._settings)
        parts: list[tuple[str, Engine | OnPremDatabase]] = [("engine", self.engine)]
        if self._settings.has_onprem:
            parts.insert(0, ("on-premises PostgreSQL", self.onprem))
        started: list[Engine | OnPremDatabase] = []
        try:
            for name, part in parts:
                if part.is_running:
                    continue
                if on_step:
                    on_step(f"starting the {name}")
                started.append(part)
                part.start()
        except BaseException:
            for part in reversed(started):
                part.stop()
            raise

    def down(self) -> None:
        """Stop both, then whatever else a pid file still names."""
        self.engine.stop()
        self.onprem.stop()
        for child in process.find_all(self._settings.state):
            child.stop()

    def services(self) -> list[Service]:
        """The engine, the database where there is one, and every Trino that Athena has started."""
        started = process.find_all(self._settings.state / "pids" / "athena" / "trino")
        log = str(self._settings.state / "logs" / "trino.log")
        database = Service(
            "onprem",
            self.onprem.is_running,
            f"127.0.0.1:{self._settings.onprem_port}",
            str(self.onprem.log_file),
        )
        return [
            Service("engine", self.engine.is_running, self._settings.endpoint_url, str(self.engine.log_file)),
            *([database] if self._settings.has_onprem or database.is_running else []),
            *(Service("trino", one.is_running, one.pid_file.stem, log) for one in started),
        ]

    def log(self, service: str, lines: int) -> str:
        """The end of a log file."""
        return process.last_lines(
            self.engine.log_file if service == "engine" else self.onprem.log_file, lines
        )

    def remove(self, *, shared: bool = False) -> None:  # noqa: ARG002 (nothing is shared)
        """Stop everything; all that there is lies in the state directory."""
        self.down()


def _require_free_disk(settings: Settings) -> None:
    settings.state.mkdir(parents=True, exist_ok=True)
    # PostgreSQL does not run as root, and has its files below: it may pass through, and see nothing.
    settings.state.chmod(0o711 if os.geteuid() == 0 else 0o700)
    free = shutil.disk_usage(settings.state).free
    if free < MINIMUM_FREE_BYTES:
        raise MillpondError(
            f"Only {free // 2**20} MiB of disk are free; a stack needs {MINIMUM_FREE_BYTES // 2**20} MiB.",
            where=str(settings.state),
            next_step="free some space, or set MILLPOND_STATE_DIR to a directory on another disk",
        )
