"""IAM's simulations, which LocalStack answers by a principal's own policies alone, without conditions."""

from __future__ import annotations

from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext, handler

from millpond.localstack_ext.iam import principals
from millpond.localstack_ext.iam.records import RecordsProvider
from millpond.planes.iam import MalformedPolicyError
from millpond.planes.iam.simulation import Simulated, Source, context_keys, given, simulate


class SimulatingProvider(RecordsProvider):
    """Answers with the evaluator that judges calls."""

    @handler("SimulateCustomPolicy", expand=False)
    def simulate_custom_policy(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        arn = request.get("CallerArn") or f"arn:{context.partition}:iam::{context.account_id}:user/simulated"
        if request.get("ResourcePolicy") and not request.get("CallerArn"):
            raise _invalid("A CallerArn is required where there is a ResourcePolicy")
        return _simulated(request, lambda: Simulated(arn, _account(arn), *_policies(request)))

    @handler("SimulatePrincipalPolicy", expand=False)
    def simulate_principal_policy(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        arn = request["PolicySourceArn"]
        caller = _principal(context, arn)
        texts = principals.texts_of(arn, context.account_id, context.partition)
        own = [Source(name, principals.statements(text)) for name, text in texts]

        def who() -> Simulated:
            more, boundary = _policies(request)
            limit = caller.policies.boundary if boundary is None else boundary
            return Simulated(request.get("CallerArn") or arn, context.account_id, [*own, *more], limit)

        return _simulated(request, who)

    @handler("GetContextKeysForCustomPolicy", expand=False)
    def get_context_keys_for_custom_policy(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]  # noqa: ARG002
        return _keys(request["PolicyInputList"])

    @handler("GetContextKeysForPrincipalPolicy", expand=False)
    def get_context_keys_for_principal_policy(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        arn = request["PolicySourceArn"]
        _principal(context, arn)
        own = principals.texts_of(arn, context.account_id, context.partition)
        return _keys([*(text for _, text in own), *(request.get("PolicyInputList") or ())])


def _principal(context: RequestContext, arn: str) -> principals.Caller:
    found = principals.of_principal(arn, context.account_id, context.partition)
    if found is None:
        raise CommonServiceException("NoSuchEntity", f"{arn} was not found", 404, True)
    return found


def _account(arn: str) -> str:
    return arn.split(":")[4]


def _policies(request: Any) -> tuple[list[Source], Any]:
    limits = request.get("PermissionsBoundaryPolicyInputList")
    boundary = [one for source in given(limits) for one in source.statements] if limits else None
    return given(request.get("PolicyInputList") or ()), boundary


def _simulated(request: Any, who: Any) -> dict[str, Any]:
    try:
        results = simulate(request, who())
    except MalformedPolicyError as error:
        raise _invalid(str(error)) from error
    start = int(request.get("Marker") or 0)
    end = start + int(request.get("MaxItems") or 100)
    more = {"Marker": str(end)} if end < len(results) else {}
    return {"EvaluationResults": results[start:end], "IsTruncated": bool(more), **more}


def _keys(documents: list[str]) -> dict[str, Any]:
    try:
        return {"ContextKeyNames": context_keys(documents)}
    except MalformedPolicyError as error:
        raise _invalid(str(error)) from error


def _invalid(message: str) -> CommonServiceException:
    return CommonServiceException("InvalidInput", message, 400, True)
