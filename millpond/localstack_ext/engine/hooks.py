"""What happens when the engine starts and when it stops."""

from __future__ import annotations

from functools import lru_cache

from localstack.packages import PackageException
from localstack.packages.api import PackageInstaller
from localstack.runtime import hooks
from localstack.services.sqs import constants
from twisted.web import http

from millpond.localstack_ext.engine import (
    arns,
    chaos,
    clients,
    patches,
    planes,
    refusals,
    requests,
    stream,
    trail,
)
from millpond.localstack_ext.glue import iceberg_rest
from millpond.localstack_ext.iam import guard
from millpond.localstack_ext.state import engine_state


def _stay_offline() -> None:
    """Fetch nothing: what LocalStack would download when first asked for it is refused instead."""

    def install(self: PackageInstaller, _target: object = None) -> None:
        if not self.is_installed():
            raise PackageException(
                f"{self.name} {self.version} is not part of this engine, and it downloads nothing"
            )

    patches.replace(PackageInstaller, "install", install)


def _forget_empty_attributes() -> None:
    """An empty ``RedriveAllowPolicy`` takes it away (``SetQueueAttributes``); LocalStack keeps the text."""
    kept = {**constants.DELETE_IF_DEFAULT, "RedriveAllowPolicy": ""}
    patches.replace(constants, "DELETE_IF_DEFAULT", kept)


def _remember_content_types() -> None:
    """A client says the same few types at every call, and each was parsed as the header of an e-mail."""
    remembered = lru_cache(maxsize=256)(http._parseContentType)  # noqa: SLF001 (in the inventory)
    patches.replace(http, "_parseContentType", remembered)


def _close_planes() -> None:
    """End the children of the planes and save, before the services stop; no call is held any more."""
    chaos.FAULTS.remove()
    stream.STREAM.close()
    planes.close()
    engine_state.stop()


# LocalStack knows a hook by the name of its function: no two may have the same.
complete_arns = hooks.on_infra_start()(arns.install_arns)
install_faults = hooks.on_infra_start()(chaos.install)
install_iceberg_rest = hooks.on_infra_start()(iceberg_rest.install_iceberg_rest)
install_guard = hooks.on_infra_start()(guard.install_guard)
install_trail = hooks.on_infra_start()(trail.install_trail)
# Before the others in time, and first in the chain whatever they put into it.
install_stream = hooks.on_infra_start(priority=-5)(stream.install_stream)
stay_offline = hooks.on_infra_start()(_stay_offline)
forget_empty_attributes = hooks.on_infra_start()(_forget_empty_attributes)
bound_clients = hooks.on_infra_start()(clients.install_clients)
remember_content_types = hooks.on_infra_start()(_remember_content_types)
check_requests = hooks.on_infra_start(priority=-5)(requests.install_requests)
refuse_by_name = hooks.on_infra_start()(refusals.install_refusals)
# After the others, since services are made with what they install.
keep_state = hooks.on_infra_start(priority=-10)(engine_state.start)
finish_state = hooks.on_infra_ready()(engine_state.finish)
close_planes = hooks.on_infra_shutdown(priority=100)(_close_planes)
