"""The log of a function, written with its role.

Source: "Sending Lambda function logs to CloudWatch Logs" in the Lambda developer guide: the role needs
``logs:CreateLogStream`` and ``logs:PutLogEvents``, and ``logs:CreateLogGroup`` only where there is no group.
A function whose role may not write runs all the same, without a log.
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from localstack.aws.connect import connect_to
from localstack.services.lambda_.invocation.logs import LogHandler, LogItem
from localstack.utils.aws.client_types import ServicePrincipal

from millpond.localstack_ext.engine import patches

_LOG = logging.getLogger(__name__)


def install_logs() -> None:
    """Make a log group only where there is none, instead of before every stream."""

    def run(self: LogHandler, *_arguments: Any, **_options: Any) -> None:
        connect: Any = connect_to
        clients = connect.with_assumed_role(
            region_name=self.region, role_arn=self.role_arn, service_principal=ServicePrincipal.lambda_
        )
        while isinstance(item := self.log_queue.get(), LogItem):
            try:
                _write(clients.logs, item)
            except (BotoCoreError, ClientError) as error:
                _LOG.warning("%s has no log of this invocation: %s", item.log_group, error)

    patches.replace(LogHandler, "run_log_loop", run)


def _write(logs: Any, item: LogItem) -> None:
    now = int(time.time() * 1000)
    # CloudWatch takes no empty event.
    events = [{"timestamp": now, "message": f"{line}\n"} for line in item.logs.split("\n") if line]
    missing = logs.exceptions.ResourceNotFoundException
    place = {"logGroupName": item.log_group, "logStreamName": item.log_stream}
    try:
        logs.put_log_events(**place, logEvents=events)
        return
    except missing:
        pass
    try:
        logs.create_log_stream(**place)
    except missing:
        # Another function that logs to the same group may have made it meanwhile.
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=item.log_group)
        logs.create_log_stream(**place)
    logs.put_log_events(**place, logEvents=events)
