"""Whether calls of runs, functions and builds that stand in a VPC find a way to the service that they call.

A call that finds none ends on AWS when its client waits no longer, in botocore's words "Connect timeout on
endpoint URL"; here it is answered so at once. What services do for a run themselves, such as writing its log,
does not go through its VPC. A VPC is read when something first asks for a way in it, and again once a change
of EC2 has named any part of it.
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext
from localstack.aws.connect import connect_to

from millpond.localstack_ext.engine import planes
from millpond.localstack_ext.iam.principals import Caller
from millpond.planes.common.callers import OWN_CALLS
from millpond.planes.network import ENDPOINTS, Network, Place, read_network, to_service

CODE = "ConnectTimeoutError"
_READING = ("Describe", "Get", "List", "Search")
_ID = re.compile(r"\b[a-z]+(?:-[a-z]+)*-[0-9a-f]{8,17}\b")
_MOST = 1000


class Ways:
    """Ways of calls; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._networks: dict[tuple[str, str, str], tuple[Network, frozenset[str]]] = {}
        self._places: OrderedDict[str, Place | None] = OrderedDict()

    def refusal(self, context: RequestContext, caller: Caller) -> CommonServiceException | None:
        """How a call ends that finds no way; None where there is one, or none is needed."""
        service: Any = context.service
        name = str(service.service_name)
        if OWN_CALLS in context.request.headers.get("User-Agent", "") or not caller.role:
            return None
        place = self._place_of(caller, context)
        if place is None:
            return None
        network = self._network(caller.account, context.region, place)
        reason = to_service(network, place, ENDPOINTS.get(name, name))
        if reason is None:
            return None
        url = f"https://{service.endpoint_prefix}.{context.region}.amazonaws.com/"
        message = f'Connect timeout on endpoint URL: "{url}" ({reason})'
        return CommonServiceException(CODE, message, status_code=400, sender_fault=True)

    def note(self, context: RequestContext) -> None:
        """Forget the VPCs of which a call changes a part."""
        operation: Any = context.operation
        if operation.service_model.service_name != "ec2" or operation.name.startswith(_READING):
            return
        named = set(_ids(context.service_request or {}))
        with self._lock:
            for key in [key for key, (_, ids) in self._networks.items() if ids & named]:
                del self._networks[key]

    def _place_of(self, caller: Caller, context: RequestContext) -> Place | None:
        """By the session's name, which services make of a run's id, a build's or a function's name."""
        session = caller.arn.rpartition("/")[2]
        if session.startswith(("GlueJobRunnerSession-", "AWSCodeBuild-")):
            key = f"{context.region}/{session}"
            with self._lock:
                if key in self._places:
                    return self._places[key]
            found = _of_work(session, caller.account, context.region)
            with self._lock:
                self._places[key] = found
                while len(self._places) > _MOST:
                    self._places.popitem(last=False)
            return found
        return _of_function(session, caller, context.region)

    def _network(self, account: str, region: str, place: Place) -> Network:
        key = (account, region, place.subnet)
        with self._lock:
            known = self._networks.get(key)
        if known is None:
            clients: Any = connect_to(aws_access_key_id=account, region_name=region)
            subnets = [
                one for one in clients.ec2.describe_subnets()["Subnets"] if one["SubnetId"] == place.subnet
            ]
            network = read_network(clients.ec2, region, subnets[0]["VpcId"]) if subnets else Network(region)
            known = network, frozenset((*_ids(vars(network)), place.subnet))
            with self._lock:
                self._networks[key] = known
        return known[0]


def _ids(content: Mapping[str, Any]) -> Iterator[str]:
    yield from _ID.findall(json.dumps(content, default=str))


def _of_work(session: str, account: str, region: str) -> Place | None:
    if session.startswith("AWSCodeBuild-"):
        given = planes.codebuild().of(account, region).place_of_session(session)
        return Place(*given) if given else None
    return planes.glue().of(account, region).place_of_session(session)


def _of_function(session: str, caller: Caller, region: str) -> Place | None:
    from localstack.services.lambda_.invocation.models import lambda_stores

    # The name of a session has two letters at least.
    function = lambda_stores[caller.account][region].functions.get(session.removesuffix("@lambda_function"))
    version = function.latest() if function else None
    given = version.config.vpc_config if version and version.config.role == caller.role else None
    return Place(given.subnet_ids[0], tuple(given.security_group_ids)) if given and given.subnet_ids else None
