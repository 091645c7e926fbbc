"""A stack of containers, and the means to look at it."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker

from millpond.base.config import Settings
from millpond.client.aws import Aws
from millpond.stack.compose import SERVICES, ComposeStack, connect


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
