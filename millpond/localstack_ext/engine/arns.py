"""ARNs without an account are the caller's, and so is a catalog without an id.

Terraform's provider with ``skip_requesting_account_id = true`` does not know the account and leaves it out of
the ARNs that it makes, for example ``arn:aws:glue:us-east-1::job/ingest``, and of ``CatalogId``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from localstack.aws import handlers
from localstack.aws.api import RequestContext
from localstack.aws.forwarder import create_aws_request_context
from localstack.http import Response
from rolo.gateway.chain import HandlerChain

# Services whose ARNs all have an account, but those of partner event sources; AWS leaves it out of other
# services' own, for example those of public AMIs and of API Gateway.
_SERVICES = (
    "athena|cloudwatch|codebuild|dynamodb|ecr|events|firehose|glue|kinesis|kms|lakeformation|lambda|logs|"
    "pipes|scheduler|secretsmanager|sns|sqs|states"
)
_WITHOUT_ACCOUNT = re.compile(rf"(arn:aws[\w-]*:(?:{_SERVICES}):[\w-]+:)(:(?!event-source/).+)", re.DOTALL)
_NAMING = re.compile(r"arn|resource|functionname", re.IGNORECASE)
_SIGNS = (b"::", b"%3A%3A", b"%3a%3a", b'"CatalogId":""', b'"CatalogId": ""')
_CONTENT_HEADERS = ("Content-Length", "Content-Type")


def install_arns() -> None:
    """Put the rule into the gateway's chain, before anybody looks at a call."""
    calls: Any = handlers.serve_custom_service_request_handlers
    calls.handlers.insert(0, complete_call)


def complete_call(_chain: HandlerChain[Any], context: RequestContext, _response: Response) -> None:
    """Give the ARNs of a call their account, in what is parsed of it and in the request itself."""
    if not (context.service and context.operation and context.protocol and _may_hold_one(context)):
        return
    completed = complete(context.service_request, context.account_id)
    if completed == context.service_request:
        return
    context.service_request = completed
    if context.operation.has_streaming_input:
        return
    again = create_aws_request_context(
        context.service.service_name,
        context.operation.name,
        protocol=context.protocol,
        parameters=completed,
        region=context.region,
        endpoint_url=context.request.host_url,
    )
    for name, value in context.request.headers.items():
        if name not in _CONTENT_HEADERS:
            again.request.headers[name] = value
    context.request = again.request


def complete(value: Any, account_id: str, member: str = "") -> Any:
    """A request with the account in each ARN and catalog that is without one.

    Parameters
    ----------
    value : object
        A request, or a part of one.
    account_id : str
        The caller's.
    member : str
        Name of the member that has the value: only those that name something are looked at, since a message
        or an item may hold whatever text it likes.
    """
    match value:
        case str() if _NAMING.search(member) and (match := _WITHOUT_ACCOUNT.fullmatch(value)):
            return f"{match[1]}{account_id}{match[2]}"
        case "" if member == "CatalogId":
            return account_id
        case Mapping():
            return {name: complete(item, account_id, name) for name, item in value.items()}
        case list():
            return [complete(item, account_id, member) for item in value]
        case _:
            return value


def _may_hold_one(context: RequestContext) -> bool:
    """Whether it is worth looking. Who answers a call reads what is a stream in it, and nobody before."""
    request = context.request
    texts = [request.full_path.encode()]
    if context.operation is not None and not context.operation.has_streaming_input:
        texts.append(request.get_data())
    return any(sign in text for text in texts for sign in _SIGNS)
