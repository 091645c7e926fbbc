"""Trino servers of Millpond's: one an account and region, started at first need and stopped when idle."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from millpond.base import process
from millpond.base.waiting import scaled
from millpond.planes.athena.exceptions import QueryFailed
from millpond.planes.athena.trino.configuration import WATCHER, write_configuration
from millpond.planes.athena.trino.protocol import Coordinator, Statement, TrinoFailed
from millpond.planes.common.context import PlaneContext
from millpond.planes.common.trino import INSTALL, EngineSettings, Installation

_LOG = logging.getLogger(__name__)
_START_DEADLINE = 300.0
_STOP_SECONDS = 10.0
_LOOK = 0.1
# A small heap, one collector thread and the quick compiler start in a third of the time of the defaults.
_JVM = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-OmitStackTraceInFastThrow",
    "-XX:ReservedCodeCacheSize=256M",
    "-Djdk.attach.allowAttachSelf=true",
    "-Djdk.nio.maxCachedBufferSize=2000000",
    "-Dfile.encoding=UTF-8",
    "-XX:+EnableDynamicAgentLoading",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class TrinoServer:
    """The server of one account and region.

    Parameters
    ----------
    context : PlaneContext
        Whose catalog it reads.
    settings : EngineSettings
        Where Trino is, and what it may take.
    """

    def __init__(self, context: PlaneContext, settings: EngineSettings) -> None:
        self._context = context
        self._settings = settings
        self._lock = threading.Lock()
        self._users = 0
        self._last_used = 0.0
        self._url = ""
        self._owned: process.OwnedProcess | None = None
        name = f"{context.account_id}-{context.region}"
        self._run = (context.state_dir / "athena-trino" / name).absolute()
        self._pid_file = context.pid_dir / "athena" / "trino" / f"{name}.pid"
        self._log = context.state_dir / "logs" / "trino.log"

    @contextmanager
    def used(self) -> Iterator[Coordinator]:
        """The server, running and kept from being stopped as long as the block lasts.

        Raises
        ------
        QueryFailed
            If it is not installed, or does not start.
        """
        with self._lock:
            if self._owned is None or not self._owned.is_running:
                self._start()
            self._users += 1
        try:
            yield Coordinator(self._url)
        finally:
            with self._lock:
                self._users -= 1
                self._last_used = time.monotonic()

    def close(self) -> None:
        """Stop it."""
        owned, self._owned = self._owned, None
        if owned is not None:
            owned.stop(_STOP_SECONDS)

    def _start(self) -> None:
        home = self._settings.home
        installation = Installation.find(home) if home else None
        if installation is None:
            raise QueryFailed("NOT_SUPPORTED", f"Trino is not installed; next: {INSTALL}")
        shutil.rmtree(self._run, ignore_errors=True)
        began, port = time.monotonic(), _free_port()
        configuration = write_configuration(self._run, installation.directory, port, self._context)
        owned = process.start(
            [
                installation.java_home / "bin" / "java",
                f"-Xmx{self._settings.heap}",
                *_JVM,
                f"-Dconfig={configuration}",
                f"-Dlog.levels-file={self._run}/log.properties",
                f"-Djava.io.tmpdir={self._run}",
                "-cp",
                f"{installation.directory}/lib/*",
                "io.trino.server.TrinoServer",
            ],
            pid_file=self._pid_file,
            log_file=self._log,
            env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "HOME": str(self._run)},
            cwd=self._run,
        )
        self._url = f"http://127.0.0.1:{port}"
        try:
            self._wait(owned)
        except BaseException:
            owned.stop(_STOP_SECONDS)
            raise
        self._owned, self._last_used = owned, time.monotonic()
        threading.Thread(target=self._stop_when_idle, args=(owned,), daemon=True).start()
        _LOG.info("Trino started in %.1f s at %s", time.monotonic() - began, self._url)

    def _wait(self, owned: process.OwnedProcess) -> None:
        """Wait until statements are answered; ``/v1/info`` says so before the first node is there."""
        deadline = time.monotonic() + scaled(_START_DEADLINE)
        while time.monotonic() < deadline:
            if not owned.is_running:
                message = f"Trino ended while it started:\n{process.last_lines(self._log, 5)}"
                raise QueryFailed("GENERIC_INTERNAL_ERROR", message)
            if self._is_ready():
                return
            time.sleep(_LOOK)
        message = f"Trino did not start within {scaled(_START_DEADLINE):.0f} s; see {self._log}"
        raise QueryFailed("GENERIC_INTERNAL_ERROR", message)

    def _is_ready(self) -> bool:
        try:
            with _DIRECT.open(f"{self._url}/v1/info", timeout=5) as answer:
                if json.load(answer)["starting"]:
                    return False
            sql = "SELECT 1 FROM system.runtime.nodes WHERE state = 'active'"
            with Statement(Coordinator(self._url, WATCHER), sql, "") as asked:
                return any(True for _ in asked.rows())
        except (OSError, ValueError, TrinoFailed):
            return False

    def _stop_when_idle(self, owned: process.OwnedProcess) -> None:
        idle = self._settings.idle_seconds
        while owned.is_running:
            time.sleep(min(idle / 4, 10.0))
            with self._lock:
                if self._owned is not owned:
                    return
                if not self._users and time.monotonic() - self._last_used > idle:
                    self.close()
                    _LOG.info("Trino stopped after %.0f s without a query", idle)
                    return


class TrinoServers:
    """The servers of a stack.

    Parameters
    ----------
    settings : EngineSettings
        Which engine answers, and where Trino is.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._servers: dict[tuple[str, str], TrinoServer] = {}

    @property
    def is_there(self) -> bool:
        """Whether a statement can be handed over."""
        settings = self.settings
        if settings.engine == "duckdb":
            return False
        return bool(settings.coordinator or (settings.home and Installation.find(settings.home)))

    @contextmanager
    def used(self, context: PlaneContext) -> Iterator[Coordinator]:
        """Who answers an account's statements in a region; see :meth:`TrinoServer.used`."""
        if self.settings.coordinator:
            yield Coordinator(self.settings.coordinator.rstrip("/"), self.settings.user)
            return
        key = context.account_id, context.region
        with self._lock:
            if key not in self._servers:
                self._servers[key] = TrinoServer(context, self.settings)
            server = self._servers[key]
        with server.used() as coordinator:
            yield coordinator

    def close(self) -> None:
        """Stop every server."""
        with self._lock:
            servers, self._servers = list(self._servers.values()), {}
        for server in servers:
            server.close()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
