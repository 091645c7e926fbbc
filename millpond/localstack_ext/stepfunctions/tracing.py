"""Whether a state machine is traced, which LocalStack takes and never tells again.

Source: ``DescribeStateMachine`` and ``UpdateStateMachine`` in the Step Functions API Reference.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

from localstack.aws.api import RequestContext, handler
from localstack.services.stepfunctions.backend.state_machine import StateMachineInstance
from localstack.services.stepfunctions.provider import StepFunctionsProvider

from millpond.localstack_ext.engine import patches
from millpond.localstack_ext.stepfunctions.managed_rules import check_managed_rules

OFF = {"enabled": False}
_OTHERS = ("definition", "roleArn", "loggingConfiguration")


class TracingStepFunctionsProvider(StepFunctionsProvider):
    """Changes whether a state machine is traced, too; its role has to be allowed what its tasks need."""

    @handler("CreateStateMachine", expand=False)
    def create_state_machine(  # type: ignore[override]
        self, context: RequestContext, request: Any
    ) -> Any:
        check_managed_rules(context, request["roleArn"], request["definition"])
        return super().create_state_machine(context, request)

    @handler("UpdateStateMachine", expand=False)
    def update_state_machine(  # type: ignore[override]
        self, context: RequestContext, request: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        tracing = request.get("tracingConfiguration")
        if definition := request.get("definition"):
            known: Any = self.get_store(context).state_machines.get(request["stateMachineArn"])
            role = request.get("roleArn") or (known.role_arn if known else "")
            check_managed_rules(context, role, definition)
        if tracing is None or any(request.get(name) for name in _OTHERS):
            arguments = {_snake_case(name): value for name, value in request.items()}
            answer: Any = super().update_state_machine(context, **arguments)
        else:
            self.describe_state_machine(context, request["stateMachineArn"])
            answer = {"updateDate": datetime.datetime.now(tz=datetime.UTC)}
        if tracing is not None:
            machine: Any = self.get_store(context).state_machines[request["stateMachineArn"]]
            machine.tracing_config = tracing
        return dict(answer)


def install_tracing() -> None:
    """Let state machines say whether they are traced."""

    def describe(theirs: Any, machine: Any) -> Any:
        return {**theirs(machine), "tracingConfiguration": machine.tracing_config or OFF}

    patches.wrap(StateMachineInstance, "describe", describe)


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
