"""The engine: LocalStack's core with Millpond's plug-in, as a process on 127.0.0.1."""

from __future__ import annotations

import json
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from millpond.base import process
from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.base.saved_state import NOT_BACK, VARIABLE, SavedState
from millpond.base.waiting import SCALE, DeadlinePassed, scaled, wait_until
from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.common.trino import EngineSettings
from millpond.stack.engine_environment import DIRECTORIES, engine_variables
from millpond.stack.ports import listener_on, taken
from millpond.toolchain.runtimes import ENVIRONMENT as INSTALLER_ENVIRONMENT
from millpond.toolchain.runtimes import installer_environment

START_TIMEOUT = 60.0
STOP_TIMEOUT = 20.0
LOG_LINES = 25


class Engine:
    """One engine, found again by its pid file.

    Parameters
    ----------
    settings : Settings
        Port, region and state directory.
    tools_file : Path
        The toolchain as JSON (:meth:`Tools.to_json`), read by the planes.
    """

    def __init__(self, settings: Settings, tools_file: Path) -> None:
        self._settings = settings
        self._tools_file = tools_file
        self._directory = settings.state / "engine"
        self._pid_file = settings.state / "pids" / "engine.pid"
        self.log_file = settings.state / "logs" / "engine.log"
        self.saved = SavedState(settings.state / "saved")

    @property
    def is_running(self) -> bool:
        return process.find(self._pid_file) is not None

    def start(self, timeout: float = START_TIMEOUT) -> None:
        """Start it and wait until it answers; nothing happens if it runs and answers already.

        Raises
        ------
        MillpondError
            If the port is taken, or if it does not answer in time; the error shows the end of its log.
        """
        if (running := process.find(self._pid_file)) is not None:
            self._wait_until_healthy(running, timeout)
            return
        self._refuse_taken_port()
        try:
            self._wait_until_healthy(self._launch(), timeout)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it with every child of its planes; nothing happens if it does not run."""
        if running := process.find(self._pid_file):
            running.stop(STOP_TIMEOUT)
        self._stop_children_of_planes()

    def health(self) -> dict[str, Any]:
        """What the engine says of itself: its services and their states.

        Raises
        ------
        MillpondError
            If it does not answer.
        """
        try:
            return self._ask_health()
        except (OSError, ValueError) as error:
            raise MillpondError(
                f"The engine does not answer: {error}.",
                where=self._settings.endpoint_url,
                next_step="millpond up",
                detail=process.last_lines(self.log_file, LOG_LINES),
            ) from error

    def save(self) -> int:
        """Save what has changed, now; the number of the save that holds all of it.

        Raises
        ------
        MillpondError
            If it keeps no state, or could not save it.
        """
        return int(self._tell("/_localstack/state/save", {})["number"])

    def reset(self, services: Sequence[str] = ()) -> list[str]:
        """Forget everything, or services of it; which they were.

        Raises
        ------
        MillpondError
            If a service is not known.
        """
        return list(self._tell("/_localstack/state/reset", {"services": list(services)})["services"])

    def _tell(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._ask(path, json.dumps(content).encode(), timeout=120)
        except urllib.error.HTTPError as error:
            message = json.loads(error.read()).get("message", "")
            raise MillpondError(
                message, where=f"{self._settings.endpoint_url}{path}", next_step="millpond status"
            ) from error
        except (OSError, ValueError) as error:
            raise MillpondError(
                f"The engine does not answer: {error}.",
                where=self._settings.endpoint_url,
                next_step="millpond up",
            ) from error

    def _launch(self) -> process.OwnedProcess:
        self._stop_children_of_planes()
        if self._settings.keep_state:
            self.saved.require_fitting()
        # What outlives an engine lies elsewhere: below "saved" and "objects".
        shutil.rmtree(self._directory, ignore_errors=True)
        for name in DIRECTORIES:
            (self._directory / name).mkdir(parents=True)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        self.log_file.write_bytes(b"")
        return process.start(
            [sys.executable, "-m", "millpond.localstack_ext"],
            pid_file=self._pid_file,
            log_file=self.log_file,
            env=self.environment(),
            cwd=self._directory,
        )

    def environment(self) -> dict[str, str]:
        """The whole environment of the engine process."""
        settings = self._settings
        context = PlaneContext(
            endpoint_url=settings.endpoint_url,
            region=settings.region,
            account_id=settings.account_id,
            state_dir=settings.state,
            tools=Tools.from_json(self._tools_file.read_text()),
        )
        variables = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            SCALE: os.environ.get(SCALE, "1"),
            # Tests that measure what they run measure the engine too.
            **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")},
            # What LocalStack makes of the installed packages, and not of this stack's state.
            "MILLPOND_ENGINE_CACHE": str(settings.home / "engine"),
            INSTALLER_ENVIRONMENT: json.dumps(installer_environment(os.environ)),
            "MILLPOND_CODEBUILD_MAX_RUNNING": str(settings.codebuild_max_running),
            "MILLPOND_GLUE_WARM_JVMS": str(settings.glue_warm_jvms),
            "MILLPOND_GLUE_JVM_OPTIONS": settings.glue_jvm_options,
            "MILLPOND_KEEP_RUN_FOLDERS": str(int(settings.keep_run_folders)),
            "MILLPOND_ISOLATION": settings.isolation,
            "MILLPOND_CALLER_USERS": "" if settings.callers == "any" else ",".join(_own_users()),
            "MILLPOND_IAM_MODE": settings.iam_mode,
            **({VARIABLE: str(self.saved.directory)} if settings.keep_state else {}),
            "MILLPOND_GLUE_VERSIONS": json.dumps(settings.glue.versions),
            "MILLPOND_GLUE_MASTER": settings.glue.master,
            "MILLPOND_GLUE_CACHE": str(settings.cache),
            "MILLPOND_MAVEN_MIRROR": settings.maven_mirror,
            **engine_variables(
                self._directory,
                region=settings.region,
                listen=f"127.0.0.1:{settings.gateway_port}",
                advertised_port=settings.gateway_port,
            ),
        }
        athena = settings.athena
        engines = EngineSettings(
            athena.engine, athena.user, settings.trino_dir, athena.trino_heap, athena.trino_idle_seconds
        )
        return variables | engines.to_environment() | context.to_environment(self._tools_file)

    def _wait_until_healthy(self, running: process.OwnedProcess, timeout: float) -> None:
        def is_healthy() -> bool:
            if not running.is_running:
                raise self._failure("The engine ended while it started.")
            try:
                self._ask_health()
                return not self._settings.keep_state or bool(self._ask("/_localstack/state")["is_back"])
            except (OSError, ValueError):
                return False

        try:
            wait_until("answer", is_healthy, timeout, pause=0.1)
        except DeadlinePassed:
            waited = f"{scaled(timeout):.0f} seconds"
            raise self._failure(f"The engine did not answer within {waited}.") from None

    def _failure(self, what: str) -> MillpondError:
        detail = process.last_lines(self.log_file, LOG_LINES)
        if NOT_BACK in detail:
            return MillpondError(
                f"{NOT_BACK}, so the engine did not start.",
                where=f"{self.saved.directory}, {self.log_file}",
                next_step="load a snapshot (millpond snapshot list), or forget it with millpond reset, "
                "then millpond up",
                detail=process.last_lines(self.log_file, 1),
            )
        return MillpondError(
            what, where=str(self.log_file), next_step="millpond down, then millpond up", detail=detail
        )

    def _ask_health(self) -> dict[str, Any]:
        return self._ask("/_localstack/health")

    def _ask(self, path: str, content: bytes | None = None, timeout: float = 5) -> dict[str, Any]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self._settings.endpoint_url}{path}", content, timeout=timeout) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    def _refuse_taken_port(self) -> None:
        port = self._settings.gateway_port
        if (holder := listener_on(port)) is not None:
            raise taken(port, holder, "gateway_port")

    def _stop_children_of_planes(self) -> None:
        for plane in ("glue", "athena", "functions", "codebuild"):
            for child in process.find_all(self._settings.state / "pids" / plane):
                child.stop()
        process.end_marked(self._settings.state)


def _own_users() -> list[str]:
    """Ids of the user who starts the stack, also of who became root for it."""
    return sorted({str(os.getuid()), os.environ.get("SUDO_UID") or str(os.getuid())})
