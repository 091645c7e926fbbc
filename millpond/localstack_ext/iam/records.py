"""What moto does not keep of roles and OpenID Connect providers.

Source: ``UpdateRole``, ``AddClientIDToOpenIDConnectProvider`` and ``RemoveClientIDFromOpenIDConnectProvider``
in the IAM API Reference: what a call does not name stays, and a client ID that is there is none more.
"""

from __future__ import annotations

from typing import Any

from localstack.aws.api import RequestContext, handler
from localstack.services.iam.provider import IamProvider
from localstack.services.moto import call_moto_with_request
from moto.iam.models import IAMBackend, OpenIDConnectProvider, iam_backends


class RecordsProvider(IamProvider):
    """Changes what is named."""

    @handler("UpdateRole", expand=False)
    def update_role(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        role = _backend(context).get_role(request["RoleName"])
        was = {"Description": role.description, "MaxSessionDuration": role.max_session_duration}
        named = {name: value for name, value in was.items() if value is not None} | request
        call_moto_with_request(context, named)
        return {}

    @handler("AddClientIDToOpenIDConnectProvider", expand=False)
    def add_client_id_to_open_id_connect_provider(self, context: RequestContext, request: Any) -> None:  # type: ignore[override]
        provider = _open_id(context, request)
        if request["ClientID"] not in provider.client_id_list:
            provider.client_id_list = [*provider.client_id_list, request["ClientID"]]

    @handler("RemoveClientIDFromOpenIDConnectProvider", expand=False)
    def remove_client_id_from_open_id_connect_provider(self, context: RequestContext, request: Any) -> None:  # type: ignore[override]
        provider = _open_id(context, request)
        provider.client_id_list = [one for one in provider.client_id_list if one != request["ClientID"]]


def _backend(context: RequestContext) -> IAMBackend:
    backend: IAMBackend = iam_backends[context.account_id][context.partition]
    return backend


def _open_id(context: RequestContext, request: Any) -> OpenIDConnectProvider:
    return _backend(context).get_open_id_connect_provider(request["OpenIDConnectProviderArn"])
