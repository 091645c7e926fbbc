"""The key that a Lambda's environment is encrypted with, which LocalStack takes and never tells again.

Source: ``CreateFunction`` and ``UpdateFunctionConfiguration`` in the AWS Lambda API Reference: an empty
``KMSKeyArn`` goes back to Lambda's own key.
"""

from __future__ import annotations

from typing import Any

from localstack.aws.api import RequestContext, handler
from localstack.services.lambda_ import api_utils
from localstack.services.lambda_.provider import LambdaProvider
from localstack.state.core import StateVisitor

from millpond.localstack_ext.engine import patches

_Function = tuple[str, str, str]


class KeyedLambdaProvider(LambdaProvider):
    """Keeps the key of each function."""

    keys: dict[_Function, str]

    def __init__(self) -> None:
        super().__init__()
        self.keys = {}

        def map_config_out(described: Any, version: Any, *arguments: Any, **options: Any) -> Any:
            function = (version.id.account, version.id.region, version.id.function_name)
            config = described(version, *arguments, **options)
            return {**config, "KMSKeyArn": self.keys[function]} if function in self.keys else config

        patches.wrap(api_utils, "map_config_out", map_config_out)

    def accept_state_visitor(self, visitor: StateVisitor) -> None:
        super().accept_state_visitor(visitor)
        container: Any = self.keys
        visitor.visit(container)

    @handler("CreateFunction", expand=False)
    def create_function(  # type: ignore[override]
        self, context: RequestContext, request: Any
    ) -> Any:
        self._keep(context, request["FunctionName"], request.get("KMSKeyArn"))
        return super().create_function(context, request)

    @handler("UpdateFunctionConfiguration", expand=False)
    def update_function_configuration(  # type: ignore[override]
        self, context: RequestContext, request: Any
    ) -> Any:
        if "KMSKeyArn" in request:
            self._keep(context, request["FunctionName"], request["KMSKeyArn"])
        return super().update_function_configuration(context, request)

    def _keep(self, context: RequestContext, name: str, key: str | None) -> None:
        function = (context.account_id, context.region, api_utils.get_function_name(name, context))
        if key:
            self.keys[function] = key
        else:
            self.keys.pop(function, None)
