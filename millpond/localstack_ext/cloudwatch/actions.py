"""What alarms do is done by CloudWatch, for the alarm: topics and functions have to admit it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from botocore.exceptions import ClientError
from localstack.aws.connect import connect_to
from localstack.services.cloudwatch import provider_v2

from millpond.localstack_ext.engine import patches

_LOG = logging.getLogger(__name__)
_ALARM: ContextVar[str] = ContextVar("alarm", default="")


@contextmanager
def acting_for(alarm_arn: str) -> Iterator[None]:
    """While the actions of an alarm are done."""
    token = _ALARM.set(alarm_arn)
    try:
        yield
    finally:
        _ALARM.reset(token)


class _Clients:
    """Clients whose calls say that they are an alarm's."""

    def __init__(self, clients: Any, alarm: str) -> None:
        self._clients = clients
        self._alarm = alarm

    def __getattr__(self, service: str) -> Any:
        client = getattr(self._clients, service)
        principal = "lambda.alarms.cloudwatch" if service == "lambda_" else "cloudwatch"
        return _Client(
            client.request_metadata(service_principal=principal, source_arn=self._alarm), self._alarm
        )


class _Client:
    """A client for whom an action that is refused is no fault of the change of the alarm's state."""

    def __init__(self, client: Any, alarm: str) -> None:
        self._client = client
        self._alarm = alarm

    def __getattr__(self, operation: str) -> Any:
        call = getattr(self._client, operation)

        def act(**parameters: Any) -> Any:
            try:
                return call(**parameters)
            except ClientError as error:
                _LOG.warning("Failed to execute an action of %s: %s", self._alarm, error)
                return None

        return act


def _connect(*args: Any, **named: Any) -> Any:
    clients: Any = connect_to(*args, **named)
    alarm = _ALARM.get()
    return _Clients(clients, alarm) if alarm else clients


def install_actions() -> None:
    """Have the actions of LocalStack's alarms say whose they are."""
    patches.replace(provider_v2, "connect_to", _connect)
