"""Lambda as this engine answers it: LocalStack's provider with what it lacks, and refusals with a name."""

from __future__ import annotations

import io
import json
import re
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext, handler
from localstack.aws.api.lambda_ import (
    InvalidParameterValueException,
    InvalidRequestContentException,
    ResourceNotFoundException,
)
from localstack.services.lambda_ import api_utils
from localstack.services.lambda_.invocation.models import lambda_stores

from millpond.localstack_ext.functions.keys import KeyedLambdaProvider
from millpond.localstack_ext.functions.layers import PublicLayers
from millpond.localstack_ext.functions.sources import POSITIONS

_ACCOUNT = re.compile(r"\d{12}")


class FunctionsProvider(KeyedLambdaProvider):
    """Chosen by ``PROVIDER_OVERRIDE_LAMBDA=millpond``."""

    def __init__(self) -> None:
        super().__init__()
        self.layer_fetcher = PublicLayers()

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
            # Its poller would go on with a batch that fails for as long as the stream keeps its records.
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

    @handler("DeleteProvisionedConcurrencyConfig")
    def delete_provisioned_concurrency_config(
        self, context: RequestContext, function_name: str, qualifier: str, **others: Any
    ) -> None:
        """End the environments of the version of an alias; LocalStack seeks one of the alias's name."""
        account, region = api_utils.get_account_and_region(function_name, context)
        name, label = api_utils.get_name_and_qualifier(function_name, qualifier, context)
        function = lambda_stores[account][region].functions.get(name)
        alias = function.aliases.get(label) if function and label else None
        if function is None or label is None or alias is None:
            super().delete_provisioned_concurrency_config(context, function_name, qualifier, **others)
        elif function.provisioned_concurrency_configs.pop(label, None) is not None:
            version: Any = function.versions[alias.function_version]
            manager = self.lambda_service.get_lambda_version_manager(version.id.qualified_arn())
            manager.update_provisioned_concurrency_config(0)

    @handler("InvokeWithResponseStream", expand=False)
    def invoke_with_response_stream(  # type: ignore[override]
        self, _context: RequestContext, _request: Any
    ) -> Any:
        raise CommonServiceException(
            "InvalidRequestContentException",
            "Millpond does not stream responses: InvokeWithResponseStream is refused, Invoke answers",
        )

    @handler("CreateCodeSigningConfig", expand=False)
    def create_code_signing_config(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Make a code signing configuration, with its tags."""
        answer: Any = super().create_code_signing_config(
            context,
            allowed_publishers=request["AllowedPublishers"],
            description=request.get("Description"),
            code_signing_policies=request.get("CodeSigningPolicies"),
        )
        if tags := request.get("Tags"):
            self._store_tags(answer["CodeSigningConfig"]["CodeSigningConfigArn"], tags)
        return answer

    @handler("GetLayerVersionPolicy", expand=False)
    def get_layer_version_policy(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Who may use a layer; an account is told as the ARN of its root."""
        answer: Any = super().get_layer_version_policy(
            context, layer_name=request["LayerName"], version_number=request["VersionNumber"]
        )
        policy = json.loads(answer["Policy"])
        for statement in policy["Statement"]:
            if _ACCOUNT.fullmatch(str(statement["Principal"])):
                statement["Principal"] = {"AWS": f"arn:aws:iam::{statement['Principal']}:root"}
        return {**answer, "Policy": json.dumps(policy)}

    def _get_account_id_and_region_for_taggable_resource(self, resource: str) -> tuple[str, str]:
        """As in LocalStack, which refuses code signing configurations."""
        if ":code-signing-config:" not in resource:
            owner: tuple[str, str] = super()._get_account_id_and_region_for_taggable_resource(resource)
            return owner
        region, account_id = resource.split(":")[3:5]
        if resource not in lambda_stores[account_id][region].code_signing_configs:
            raise ResourceNotFoundException(f"The code signing configuration {resource} is not found.")
        return account_id, region


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
