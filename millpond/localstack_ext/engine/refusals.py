"""What a call is answered that nobody here can do: an error of AWS's form, which says whose it is.

Its status is 400, so that SDKs do not ask again: LocalStack's is 501, which they retry for seconds.
"""

from __future__ import annotations

import logging
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext
from localstack.aws.handlers.service import ServiceRequestRouter
from localstack.aws.protocol.serializer import create_serializer
from localstack.aws.skeleton import Skeleton

from millpond.localstack_ext.engine import patches

_LOG = logging.getLogger(__name__)

CODE = "UnsupportedOperation"
_NO_SERVER = "its server cannot be had here"
REFUSED = {
    "es": {"CreateElasticsearchDomain": _NO_SERVER},
    "opensearch": {"CreateDomain": _NO_SERVER},
    "redshift": {"CreateCluster": _NO_SERVER, "RestoreFromClusterSnapshot": _NO_SERVER},
    "ssm": {"SendCommand": "no machine is behind an instance, so no command would run"},
    "transcribe": {"StartTranscriptionJob": "what recognizes speech cannot be had here"},
}
"""Services → operations that LocalStack, or moto, says yes to without doing them, or goes on for good with a
download → why they are refused.
"""
WITHOUT_EFFECT = {
    "acm": {"RequestCertificate": "it is issued at once, and nothing serves it"},
    "ec2": {
        "CreateFlowLogs": "no traffic is logged",
        "RunInstances": "no machine runs",
    },
    "route53": {"ChangeResourceRecordSets": "no name server answers"},
    "s3": {
        "PutBucketAccelerateConfiguration": "nothing is faster",
        "PutBucketAnalyticsConfiguration": "nothing is analysed",
        "PutBucketIntelligentTieringConfiguration": "no object is moved",
        "PutBucketInventoryConfiguration": "no inventory is written",
        "PutBucketLifecycleConfiguration": "no object expires or is moved",
        "PutBucketLogging": "no access is logged",
        "PutBucketMetricsConfiguration": "no metric of requests is written",
        "PutBucketReplication": "nothing is copied",
        "PutBucketRequestPayment": "nobody pays",
    },
    "ses": {"SendEmail": "no mail leaves this machine", "SendRawEmail": "no mail leaves this machine"},
    "sns": {"Publish": "nothing leaves for telephones and mail addresses, subscribed or named"},
}
"""Services of LocalStack's own → operations whose success is that it is kept → what does not happen."""


def refusal(context: RequestContext, reason: str = "") -> CommonServiceException:
    """The refusal of a call.

    Parameters
    ----------
    context : RequestContext
        The call.
    reason : str
        What of it cannot be done, when it is not the operation itself.
    """
    operation = context.operation.name if context.operation else "asked for"
    service = context.service.service_name if context.service else "this service"
    why = f" ({reason})" if reason and "not been implemented" not in reason else ""
    message = f"Millpond cannot do {operation} of {service}{why}: docs/coverage lists what is there."
    return CommonServiceException(CODE, message, status_code=400, sender_fault=True)


def install_refusals() -> None:
    """Let :func:`refusal` answer for what LocalStack, or moto behind it, has not implemented."""

    def of_provider(
        _theirs: Any, self: Any, serializer: Any, context: RequestContext, exception: Exception
    ) -> Any:
        return self.on_service_exception(serializer, context, exception_of(context, exception))

    def of_router(_theirs: Any, _self: Any, context: RequestContext) -> Any:
        service: Any = context.service
        headers: Any = context.request.headers
        serializer = create_serializer(service, context.protocol)
        return serializer.serialize_error_to_response(
            exception_of(context), context.operation, headers, context.request_id
        )

    patches.wrap(Skeleton, "on_not_implemented_error", of_provider)
    patches.wrap(ServiceRequestRouter, "create_not_implemented_response", of_router)


def exception_of(context: RequestContext, exception: Exception | None = None) -> CommonServiceException:
    """The refusal of a call that LocalStack, or moto, has not implemented; it is logged."""
    reason = str(exception.args[0]) if exception is not None and exception.args else ""
    error = refusal(context, reason)
    _LOG.info(error.message)
    return error
