"""What goes wrong before there is any container."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.stack import compose
from millpond.stack.images import TOKEN
from millpond.testing.containers import ContainerStack

CURRENT = "localstack/localstack-pro:2026.1"


def test_no_engine_is_said_with_the_tier_that_needs_none(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with pytest.raises(MillpondError, match="No Docker engine") as caught:
        compose.ComposeStack(Settings(tier="compose", state_dir=tmp_path)).up()
    assert "embedded" in (caught.value.next_step or "")


def test_an_engine_elsewhere_is_refused_before_it_is_asked(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    with pytest.raises(MillpondError, match="another machine"):
        compose.ComposeStack(Settings(tier="compose", state_dir=tmp_path)).up()


def test_a_socket_that_is_not_permitted_is_said_with_its_group(monkeypatch, tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        path.chmod(0o000)
        with nobody_special(), pytest.raises(MillpondError, match="may not use") as caught:
            compose.connect()
    assert caught.value.where == f"unix://{path}"
    assert "usermod -aG docker" in (caught.value.next_step or "")


@contextmanager
def nobody_special() -> Iterator[None]:
    """Without root's right to open everything, if the tests have it."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_without_compose_its_name_is_said(monkeypatch) -> None:
    monkeypatch.setattr(compose.shutil, "which", lambda _: None)
    with pytest.raises(MillpondError, match="docker-compose"):
        compose.compose_command()


def test_services_are_stopped_where_no_engine_runs(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    found = compose.ComposeStack(Settings(tier="compose", state_dir=tmp_path)).services()
    assert [(service.name, service.is_running) for service in found] == [
        ("engine", False),
        ("onprem", False),
        ("glue", False),
    ]


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    stack = compose.ComposeStack(Settings(tier="compose", state_dir=tmp_path))
    error = stack._failure("build", "write /var/lib/x: no space left on device")
    assert "disk is full" in error.what


def test_the_tiers_have_states_of_their_own_and_jobs_see_the_database_by_its_name(tmp_path: Path) -> None:
    embedded, other = Settings(home=tmp_path), Settings(home=tmp_path, tier="compose")
    assert embedded.state != other.state
    assert other.onprem_address == ("onprem-db", 5432)
    assert embedded.onprem_address == ("127.0.0.1", embedded.onprem_port)


@pytest.mark.parametrize(
    ("token", "changes", "files"),
    [
        ("", {}, ["docker-compose.yml"]),
        ("a-token", {}, ["docker-compose.yml"]),
        ("", {"localstack_image": CURRENT}, ["docker-compose.yml"]),
        ("a-token", {"localstack_image": CURRENT}, ["docker-compose.yml", "with-token.yml"]),
    ],
)
def test_localstacks_own_services_take_a_token_and_a_current_image(
    monkeypatch, token: str, changes: dict[str, str], files: list[str]
) -> None:
    monkeypatch.setenv(TOKEN, token)
    monkeypatch.delenv("MILLPOND_LOCALSTACK_IMAGE", raising=False)
    settings = Settings(tier="compose", **changes)
    assert [path.name for path in compose.compose_files(settings)] == files


def test_the_fixtures_refuse_an_image_without_the_planes(monkeypatch) -> None:
    monkeypatch.setenv(TOKEN, "a-token")
    with pytest.raises(MillpondError, match="Millpond's planes") as caught:
        ContainerStack(Settings(tier="compose", localstack_image=CURRENT))
    assert TOKEN in (caught.value.next_step or "")
