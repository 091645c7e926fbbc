"""Lambda as this engine answers it: LocalStack's provider with what it lacks, and refusals with a name."""

from __future__ import annotations

import io
import json
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext, handler
from localstack.aws.api.lambda_ import InvalidParameterValueException, InvalidRequestContentException

from millpond.localstack_ext.functions.keys import KeyedLambdaProvider
from millpond.localstack_ext.functions.sources import POSITIONS


class FunctionsProvider(KeyedLambdaProvider):
    """Chosen by ``PROVIDER_OVERRIDE_LAMBDA=millpond``."""

    @handler("Invoke", expand=False)
    def invoke(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        payload = request.get("Payload")
        content = payload.read() if hasattr(payload, "read") else payload
        if content:
            try:
                json.loads(content)
            except ValueError as error:
                raise InvalidRequestContentException(
                    f"Could not parse request body into json: Could not parse payload into json: {error}",
                    Type="User",
                ) from error
        return super().invoke(
            context,
            function_name=request["FunctionName"],
            invocation_type=request.get("InvocationType"),
            log_type=request.get("LogType"),
            client_context=request.get("ClientContext"),
            payload=io.BytesIO(content) if content else None,
            qualifier=request.get("Qualifier"),
        )

    @handler("CreateEventSourceMapping", expand=False)
    def create_event_source_mapping(  # type: ignore[override]
        self, context: RequestContext, request: Any
    ) -> Any:
        _refuse_unknown_source(request)
        return super().create_event_source_mapping(context, request)

    @handler("UpdateEventSourceMapping", expand=False)
    def update_event_source_mapping(  # type: ignore[override]
        self, context: RequestContext, request: Any
    ) -> Any:
        _refuse_unknown_source({"EventSourceArn": "arn:aws:sqs:::", **request})
        worker = self.esm_workers.get(request["UUID"])
        changed = super().update_event_source_mapping(context, request)
        if worker is not None:
            # Else it would go on with a batch that fails for as long as its records are kept.
            worker.poller.close()
        return changed

    @handler("DeleteEventSourceMapping")
    def delete_event_source_mapping(self, context: RequestContext, uuid: str, **others: Any) -> Any:
        worker = self.esm_workers.get(uuid)
        deleted = super().delete_event_source_mapping(context, uuid, **others)
        if worker is not None:
            worker.poller.close()
        POSITIONS.pop(uuid, None)
        return deleted

    @handler("InvokeWithResponseStream", expand=False)
    def invoke_with_response_stream(  # type: ignore[override]
        self, _context: RequestContext, _request: Any
    ) -> Any:
        raise CommonServiceException(
            "InvalidRequestContentException",
            "Millpond does not stream responses: InvokeWithResponseStream is refused, Invoke answers",
        )


def _refuse_unknown_source(request: Any) -> None:
    """Refuse what would be taken and never read.

    Raises
    ------
    InvalidParameterValueException
        If the source is none of SQS, Kinesis and DynamoDB, or records would be gathered in tumbling windows.
    """
    source = (request.get("EventSourceArn") or "").split(":")
    service = source[2] if len(source) > 2 else "none"
    if service not in ("sqs", "kinesis", "dynamodb"):
        raise InvalidParameterValueException(
            f"Millpond reads the event sources of SQS, Kinesis and DynamoDB, and this one is of {service}.",
            Type="User",
        )
    if request.get("TumblingWindowInSeconds"):
        raise InvalidParameterValueException(
            "Millpond has no tumbling windows: leave TumblingWindowInSeconds out.", Type="User"
        )
