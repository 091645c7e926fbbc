"""The stack of a test session in containers, by testcontainers' LocalStack and Postgres modules."""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack
from typing import Any, Self

from testcontainers.community.localstack import LocalStackContainer
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from millpond.base.config import Settings
from millpond.base.containers import OF_WORKER, remove_labelled
from millpond.base.errors import MillpondError
from millpond.stack.compose import ComposeStack, connect, socket_path
from millpond.stack.images import TOKEN, images, is_localstacks_own
from millpond.stack.onprem import ADMIN, OnPremDatabase

STATE = "/var/lib/millpond"


class ContainerStack:
    """Database, Glue worker and engine, as long as the context lasts.

    Parameters
    ----------
    settings : Settings
        Images and the state directory; the ports become those that Docker chose.

    Attributes
    ----------
    worker : str
        Name of the Glue worker's container.

    Raises
    ------
    MillpondError
        If LocalStack's own Glue and Athena are asked for: the fixtures are made for Millpond's.
    """

    def __init__(self, settings: Settings) -> None:
        if is_localstacks_own(settings):
            raise MillpondError(
                "The fixtures run jobs and queries by Millpond's planes,"
                " which a LocalStack image with a token does not have.",
                where=f"{TOKEN} and MILLPOND_LOCALSTACK_IMAGE={settings.localstack_image}",
                next_step=f"unset {TOKEN} or MILLPOND_LOCALSTACK_IMAGE, then run the tests again",
            )
        self.settings = settings
        self._name = f"millpond-test-{secrets.token_hex(4)}"
        self.worker = f"{self._name}-glue"
        self._held = ExitStack()

    def __enter__(self) -> Self:
        # What removes containers after a crash is an image of its own, which not everybody can pull.
        testcontainers_config.ryuk_disabled = True
        ComposeStack(self.settings).ensure_images()
        with self._held:
            self._start()
            self._held = self._held.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def _start(self) -> None:
        settings = self.settings
        engine_image, glue_image = images(settings)
        database = OnPremDatabase(settings)
        network = self._held.enter_context(Network())
        self._held.callback(lambda: connect().volumes.get(self._name).remove(force=True))
        postgres = PostgresContainer(
            settings.postgres_image,
            username=ADMIN,
            password=database.admin_password_file().read_text(),
            dbname="postgres",
            driver=None,
        )
        postgres.with_env("POSTGRES_INITDB_ARGS", "--locale-provider=builtin --locale=C.UTF-8")
        self._held.enter_context(_joined(postgres, network, "onprem-db"))
        worker = DockerContainer(glue_image.tag).with_name(self.worker)
        worker.with_volume_mapping(self._name, f"{STATE}/glue", "rw")
        self._held.enter_context(_joined(worker, network, "glue"))
        engine = LocalStackContainer(engine_image.tag, region_name=settings.region)
        for variable, value in {
            "MILLPOND_ADVERTISED_PORT": "4566",
            "MILLPOND_PLANE_ENDPOINT_URL": "http://127.0.0.1:4566",
            "MILLPOND_PLANE_REGION": settings.region,
            "MILLPOND_PLANE_ACCOUNT_ID": settings.account_id,
            "MILLPOND_PLANE_STATE_DIR": STATE,
            "MILLPOND_PLANE_TOOLS": "/usr/local/lib/millpond/tools.json",
            "MILLPOND_GLUE_CONTAINER": self.worker,
            "MILLPOND_GLUE_CONTAINER_MODE": settings.glue_container_mode,
        }.items():
            engine.with_env(variable, value)
        # Its runs' containers stay when it is ended, and hold the worker's volume and network.
        self._held.callback(lambda: remove_labelled(connect(), [f"{OF_WORKER}={self.worker}"]))
        socket = socket_path()
        engine.with_volume_mapping(self._name, f"{STATE}/glue", "rw")
        engine.with_volume_mapping(str(socket), "/var/run/docker.sock", "rw")
        engine.with_kwargs(group_add=[str(socket.stat().st_gid)])
        self._held.enter_context(_joined(engine, network, "localstack"))
        self.settings = settings.model_copy(
            update={
                "gateway_port": int(engine.get_exposed_port(engine.edge_port)),
                "onprem_port": int(postgres.get_exposed_port(postgres.port)),
            }
        )
        OnPremDatabase(self.settings).provision(sets_password=True)


def _joined(container: Any, network: Network, alias: str) -> Any:
    """The container on the network, published on loopback only where it publishes anything."""
    container.with_network(network).with_network_aliases(alias)
    container.ports = dict.fromkeys(container.ports, ("127.0.0.1", None))
    return container


os.environ.setdefault("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1")
