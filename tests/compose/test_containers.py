"""Containers as they were promised: hardened, apart from each other, and easy to get rid of."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys

import pytest
from container_stack import Containers, new_settings
from docker.errors import NotFound
from waiting import scaled

from millpond.base.errors import MillpondError
from millpond.stack.compose import SERVICES, ComposeStack, connect
from millpond.stack.onprem import OnPremDatabase

CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)"


@pytest.mark.parametrize("service", SERVICES)
def test_no_container_runs_as_root_or_may_change_its_own_files(containers: Containers, service: str) -> None:
    host = containers.container(service).attrs["HostConfig"]
    _, output = containers.container(service).exec_run(["id", "-u"])
    assert int(output) != 0
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] > 0
    assert not host["Privileged"]


@pytest.mark.parametrize("service", SERVICES)
def test_only_the_engine_has_the_docker_socket(containers: Containers, service: str) -> None:
    mounts = {mount["Destination"] for mount in containers.container(service).attrs["Mounts"]}
    assert ("/var/run/docker.sock" in mounts) == (service == "engine")


def test_ports_are_published_on_loopback_only(containers: Containers) -> None:
    published = {
        (binding["HostIp"], int(binding["HostPort"]))
        for service in SERVICES
        for bindings in containers.container(service).attrs["NetworkSettings"]["Ports"].values()
        for binding in bindings or []
    }
    settings = containers.settings
    assert published == {("127.0.0.1", settings.gateway_port), ("127.0.0.1", settings.onprem_port)}


def test_a_job_reaches_the_engine_and_the_database_and_nothing_else(containers: Containers) -> None:
    worker = containers.container("glue")

    def reaches(host: str, port: int) -> bool:
        code, _ = worker.exec_run(["python3.11", "-c", CONNECT, host, str(port)])
        return bool(code == 0)

    assert reaches("localstack", 4566)
    assert reaches("onprem-db", 5432)
    database = containers.container("onprem").attrs["NetworkSettings"]["Networks"]
    [edge] = [network for name, network in database.items() if name.endswith("site-edge")]
    assert not reaches(edge["IPAddress"], 5432), "the database's other network"
    assert not reaches(edge["Gateway"], containers.settings.gateway_port), "the machine itself"


def test_no_password_is_in_what_docker_tells(containers: Containers) -> None:
    secret = containers.stack.onprem.admin_password_file().read_text()
    for service in SERVICES:
        container = containers.container(service)
        assert secret not in str(container.attrs)
        assert secret.encode() not in container.logs()


def test_status_names_the_three_parts_and_logs_show_what_they_wrote(containers: Containers) -> None:
    assert {service.name for service in containers.stack.services() if service.is_running} == set(SERVICES)
    assert "Ready." in containers.stack.log("engine", 500)


def test_data_survives_down_and_down_cleans_up_after_containers_that_were_removed(
    tmp_path, containers
) -> None:
    settings = new_settings(tmp_path)
    stack = ComposeStack(settings)
    try:
        stack.up()
        with OnPremDatabase(settings).connection("postgres") as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        connect().containers.get(f"{stack.project}-glue").remove(force=True)
        stack.down()
        assert not any(service.is_running for service in stack.services())
        stack.up()
        with OnPremDatabase(settings).connection("postgres") as connection:
            assert connection.execute("SELECT answer FROM kept").fetchall() == [(42,)]
        stack.down()
        connect().volumes.get(f"{stack.project}_onprem-data").remove()
        stack.up()
    finally:
        stack.remove()
    names = [volume.name for volume in connect().volumes.list()]
    assert not [name for name in names if name.startswith(stack.project)]


def test_up_and_down_a_second_time_change_nothing(tmp_path, containers) -> None:
    stack = ComposeStack(new_settings(tmp_path))
    try:
        stack.up()
        ids = {name: connect().containers.get(f"{stack.project}-{name}").id for name in SERVICES.values()}
        stack.up()
        again = {name: connect().containers.get(f"{stack.project}-{name}").id for name in ids}
        assert again == ids
        stack.down()
        stack.down()
        assert not any(service.is_running for service in stack.services())
    finally:
        stack.remove()


def test_a_lost_state_directory_is_told_from_its_volume_and_clean_makes_up_work(tmp_path, containers) -> None:
    settings = new_settings(tmp_path / "state")
    stack = ComposeStack(settings)
    try:
        stack.up()
        stack.down()
        shutil.rmtree(settings.state)
        with pytest.raises(MillpondError, match="volume onprem-data is of a former state") as caught:
            stack.up()
        assert "millpond --tier compose clean" in (caught.value.next_step or "")
        assert not any(service.is_running for service in stack.services())
        stack.remove()
        stack.up()
        with OnPremDatabase(settings).connection("postgres") as connection:
            assert connection.execute("SELECT 1").fetchall() == [(1,)]
    finally:
        stack.remove()


def test_a_container_that_others_wait_for_is_named_with_what_happened_to_it(
    tmp_path, containers, monkeypatch
) -> None:
    monkeypatch.setenv("MILLPOND_ONPREM_MEMORY", "24m")
    stack = ComposeStack(new_settings(tmp_path))
    with pytest.raises(MillpondError, match="container of the onprem") as caught:
        stack.up()
    assert "memory" in caught.value.what
    assert "MILLPOND_ONPREM_MEMORY" in (caught.value.next_step or "")
    assert not connect().containers.list(
        all=True, filters={"label": f"com.docker.compose.project={stack.project}"}
    )
    stack.remove()


def test_down_removes_the_containers_of_localstacks_own_lambda_executor_which_the_engine_starts_with(
    tmp_path, containers
) -> None:
    settings = new_settings(tmp_path, lambda_executor="docker")
    stack = ComposeStack(settings)
    try:
        stack.up()
        environment = connect().containers.get(f"{stack.project}-localstack").attrs["Config"]["Env"]
        given = dict(entry.split("=", 1) for entry in environment)
        label = given["LAMBDA_DOCKER_FLAGS"].removeprefix("--label ")
        function = connect().containers.run(
            settings.postgres_image,
            ["sleep", "infinity"],
            entrypoint=[],
            detach=True,
            labels=dict([label.split("=")]),
            network=given["LAMBDA_DOCKER_NETWORK"].split(",")[0],
        )
        stack.down()
        with pytest.raises(NotFound):
            connect().containers.get(function.id)
        assert not connect().networks.list(names=[stack.project])
    finally:
        stack.remove()


def test_a_port_in_use_is_named_with_its_setting_and_nothing_is_left(tmp_path, containers) -> None:
    settings = new_settings(tmp_path)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", settings.onprem_port))
        holder.listen()
        with pytest.raises(MillpondError, match=str(settings.onprem_port)) as caught:
            ComposeStack(settings).up()
    assert "MILLPOND_ONPREM_PORT" in (caught.value.next_step or "")
    with pytest.raises(NotFound):
        connect().containers.get(f"{ComposeStack(settings).project}-glue")


def test_a_base_image_that_cannot_be_had_is_named(tmp_path, containers) -> None:
    settings = new_settings(tmp_path, glue_image="localhost:1/nobody/has-this:1")
    with pytest.raises(MillpondError, match="nobody/has-this:1 is not on this machine") as caught:
        ComposeStack(settings).up()
    assert "MILLPOND_GLUE_IMAGE" in (caught.value.next_step or "")


@pytest.mark.parametrize(
    ("address", "words"),
    [("unix:///nowhere/docker.sock", "No Docker engine"), ("tcp://10.0.0.1:1", "on another machine")],
)
def test_without_an_engine_the_cli_says_so_in_words(tmp_path, address: str, words: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "millpond.cli.main", "--tier", "compose", "up"],
        env={"DOCKER_HOST": address, "MILLPOND_STATE_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=scaled(120),
        check=False,
    )
    assert result.returncode == 1
    assert words in result.stderr
    assert "Traceback" not in result.stderr
