"""Provisioned concurrency that is changed: it is in progress until it is there, and counted rightly.

LocalStack tells the environments of before as ready while others are started, and counts those that it stops
as started. Source: ``GetProvisionedConcurrencyConfig`` in the Lambda API Reference.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from localstack.aws.api.lambda_ import ProvisionedConcurrencyStatusEnum
from localstack.services.lambda_.invocation.assignment import AssignmentService
from localstack.services.lambda_.invocation.version_manager import LambdaVersionManager

from millpond.localstack_ext.engine import patches


def install_provisioning() -> None:
    """Let LocalStack provision functions by this module."""
    patches.wrap(LambdaVersionManager, "update_provisioned_concurrency_config", _update)
    patches.wrap(AssignmentService, "scale_provisioned_concurrency", _scale)


def _update(theirs: Any, manager: Any, wanted: int) -> Any:
    with manager.provisioned_state_lock:
        state = manager.provisioned_state
        if state and state.status != ProvisionedConcurrencyStatusEnum.IN_PROGRESS:
            # Without this state LocalStack makes a new one, which begins as IN_PROGRESS.
            manager.provisioned_state = None
        return theirs(manager, wanted)


def _scale(theirs: Any, service: Any, manager: str, version: Any, wanted: int) -> list[Future[None]]:
    """What starts the environments that are wanted; what stops others only where none is wanted."""
    futures: list[Future[None]] = theirs(service, manager, version, wanted)
    return futures[:wanted] if wanted else futures
