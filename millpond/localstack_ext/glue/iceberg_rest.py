"""The Iceberg REST endpoint of Glue on the gateway's port: ``/iceberg/v1/…``, signed for ``glue``.

What is not signed for Glue is somebody's bucket of that name, and goes on to S3.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from localstack.aws.accounts import get_account_id_from_access_key_id
from localstack.http import Request, Response
from localstack.http.request import get_raw_path
from localstack.services.edge import ROUTER
from werkzeug.exceptions import NotFound

from millpond.localstack_ext.engine import planes
from millpond.planes.common.credentials import Clients, Credentials

if TYPE_CHECKING:
    from millpond.planes.glue.catalog.rest import RestCatalog

PATH = "/iceberg"
_SIGNED = re.compile(r"Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/glue/aws4_request")


def install_iceberg_rest() -> None:
    """Put the endpoint before the services."""
    endpoint: Any = _answer
    ROUTER.add(f"{PATH}/<path:path>", endpoint)


def _answer(request: Request, path: str) -> Response:  # noqa: ARG001 - the router's form
    signed = _SIGNED.search(request.headers.get("Authorization", ""))
    if signed is None:
        raise NotFound
    answer = _catalog(signed["key"], signed["region"]).answer(
        request.method,
        get_raw_path(request).removeprefix(PATH),
        request.args.to_dict(),
        request.get_data(),
    )
    body = None if answer.body is None else json.dumps(answer.body)
    return Response(body, answer.status, mimetype="application/json")


@lru_cache(maxsize=32)
def _catalog(access_key_id: str, region: str) -> RestCatalog:
    from millpond.planes.glue.catalog.rest import RestCatalog

    account = get_account_id_from_access_key_id(access_key_id)
    there = replace(planes.context(), account_id=account, region=region)
    clients, caller = Clients(there, "glue.amazonaws.com"), Credentials(access_key_id, "millpond", "")
    return RestCatalog(clients.of("glue", caller), clients.of("s3", caller), account)
