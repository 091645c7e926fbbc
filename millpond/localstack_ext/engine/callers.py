"""Whose processes may call: on a machine of many, those of the user who started the stack, and root's.

A loopback port is open to every user of a machine. The kernel knows whose process is at the other end of a
connection (:mod:`millpond.base.peers`), so clients need no token, and none can be read from a file or a
command line.
"""

from __future__ import annotations

import json
import logging
import os
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext
from localstack.aws.protocol.serializer import create_serializer
from localstack.aws.protocol.service_router import determine_aws_protocol, determine_aws_service_model
from localstack.http import Response
from rolo.gateway.chain import HandlerChain

from millpond.base import peers
from millpond.localstack_ext.iam.guard import denial

_LOG = logging.getLogger(__name__)

SETTING = "MILLPOND_CALLER_USERS"
"""Ids of the users who may call, with commas between them; everybody may where it is not set."""
STRANGER = "millpond.stranger"
"""Key of a request's environment, which is there if its caller may not call."""
MESSAGE = (
    "This endpoint answers the user who started it alone, and root. "
    'Let others call by callers = "any" in millpond.toml, then millpond down and millpond up.'
)


def admitted(setting: str | None = None) -> frozenset[int] | None:
    """Ids of the users who may call; None where all may, or the system does not tell who calls.

    Parameters
    ----------
    setting : str, optional
        As :data:`SETTING`, which is read from the environment otherwise.
    """
    text = os.environ.get(SETTING, "") if setting is None else setting
    if not text or not peers.is_told():
        return None
    return frozenset({0, *map(int, text.split(","))})


def is_stranger(users: frozenset[int] | None, peer: peers.Address, own: peers.Address) -> bool:
    """Whether who is at the other end of a connection may not call."""
    if users is None:
        return False
    try:
        return peers.owner(peer, own) not in users
    except OSError:
        _LOG.exception("nobody said who calls from port %d", peer[1])
        return True


def refuse_strangers(chain: HandlerChain[Any], context: RequestContext, response: Response) -> None:
    """The first handler of the gateway's chain."""
    if STRANGER in context.request.environ:
        response.update_from(_refusal(context))
        chain.terminate()


def _refusal(context: RequestContext) -> Response:
    request: Any = context.request
    # Such a path is one of the engine's own, and not a bucket of S3.
    service: Any = None if request.path.startswith("/_") else determine_aws_service_model(request)
    if service is None:
        body = json.dumps({"message": MESSAGE})
        return Response(body, status=403, content_type="application/json")
    protocol = determine_aws_protocol(request, service)
    code, status = denial(service.service_name, protocol)
    error = CommonServiceException(code, MESSAGE, status_code=status, sender_fault=True)
    # An error has no form without an operation; which one does not matter.
    operation = service.operation_model(service.operation_names[0])
    serializer: Any = create_serializer(service, protocol)
    answer: Response = serializer.serialize_error_to_response(
        error, operation, request.headers, context.request_id
    )
    return answer
