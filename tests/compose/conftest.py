"""A stack of containers for the tests of the Docker tier; they run when the tier is ``compose``."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest

from millpond.aws import Aws
from millpond.config import CHECKOUT, Settings
from millpond.stack.compose import SERVICES, ComposeStack, connect


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave these tests out unless they are asked for."""
    return True if Settings().tier != "compose" else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which images are not the real ones."""
    images = connect().images.list(filters={"label": "millpond.stand-in=true"})
    names = sorted(tag for image in images for tag in image.tags if not tag.startswith("millpond-"))
    if names:
        terminalreporter.section("STAND-INS, not the published images")
        for name in names:
            terminalreporter.write_line(name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Containers:
    """A stack and the means to look at it."""

    settings: Settings
    client: docker.DockerClient = field(default_factory=connect)

    @property
    def stack(self) -> ComposeStack:
        return ComposeStack(self.settings)

    @property
    def aws(self) -> Aws:
        return Aws(self.settings)

    def container(self, service: str) -> Any:
        return self.client.containers.get(f"{self.stack.project}-{SERVICES[service]}")

    def with_settings(self, **changes: Any) -> Containers:
        return Containers(self.settings.model_copy(update=changes), self.client)


def new_settings(directory: Path, **changes: Any) -> Settings:
    return Settings(state_dir=directory, gateway_port=free_port(), onprem_port=free_port(), **changes)


@pytest.fixture(scope="session")
def containers() -> Iterator[Containers]:
    directory = Path(tempfile.mkdtemp(prefix="test-state-", dir=CHECKOUT / ".millpond"))
    found = Containers(new_settings(directory, glue_memory="1536m"))
    found.stack.up()
    yield found
    found.stack.remove()
    shutil.rmtree(directory)
