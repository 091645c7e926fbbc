"""Lambda as this engine answers it: LocalStack's provider with what it lacks, and refusals with a name."""

from __future__ import annotations

import io
import json
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext, handler
from localstack.aws.api.lambda_ import InvalidRequestContentException

from millpond.localstack_ext.functions.keys import KeyedLambdaProvider


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

    @handler("InvokeWithResponseStream", expand=False)
    def invoke_with_response_stream(  # type: ignore[override]
        self, _context: RequestContext, _request: Any
    ) -> Any:
        raise CommonServiceException(
            "InvalidRequestContentException",
            "Millpond does not stream responses: InvokeWithResponseStream is refused, Invoke answers",
        )
