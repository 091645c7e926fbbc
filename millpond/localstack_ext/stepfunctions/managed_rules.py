"""Rules of EventBridge by which Step Functions hears that a job has ended, made with a state machine.

Source: "Integrating services with Step Functions" in the Step Functions Developer Guide, the policies of each
``.sync`` integration: the machine's role needs ``events:PutTargets``, ``events:PutRule`` and
``events:DescribeRule`` on the rule, or the machine is neither made nor changed. The rules themselves are not
made: the engine sees ends by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext

from millpond.localstack_ext.iam.guard import GUARD
from millpond.planes.iam.calls import Need

RULES: Mapping[str, str] = {
    "batch:submitJob": "StepFunctionsGetEventsForBatchJobsRule",
    "codebuild:startBuild": "StepFunctionsGetEventForCodeBuildStartBuildRule",
    "codebuild:startBuildBatch": "StepFunctionsGetEventForCodeBuildStartBuildBatchRule",
    "ecs:runTask": "StepFunctionsGetEventsForECSTaskRule",
    "elasticmapreduce:addStep": "StepFunctionsGetEventForEMRAddJobFlowStepsRule",
    "elasticmapreduce:createCluster": "StepFunctionsGetEventForEMRRunJobFlowRule",
    "elasticmapreduce:terminateCluster": "StepFunctionsGetEventForEMRTerminateJobFlowsRule",
    "sagemaker:createHyperParameterTuningJob": "StepFunctionsGetEventsForSageMakerTuningJobsRule",
    "sagemaker:createTrainingJob": "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    "sagemaker:createTransformJob": "StepFunctionsGetEventsForSageMakerTransformJobsRule",
    "states:startExecution": "StepFunctionsGetEventsForStepFunctionsExecutionRule",
}
"""Names of the rules, by the integration; Glue, Athena and others are asked until they have ended."""

_ACTIONS = ("events:PutTargets", "events:PutRule", "events:DescribeRule")
_INTEGRATION = re.compile(r"arn:[^:]+:states:::([^.]+)\.sync(?::2)?")


def check_managed_rules(context: RequestContext, role: str, definition: str) -> None:
    """Refuse a state machine whose role may not make the rules that its tasks need.

    Raises
    ------
    CommonServiceException
        ``AccessDeniedException``, where policies are in force.
    """
    head = f"arn:{context.partition}:events:{context.region}:{context.account_id}:rule/"
    needs = [Need(action, head + rule) for rule in _rules(definition) for action in _ACTIONS]
    if not GUARD.admits_role(context, role, needs):
        raise CommonServiceException(
            "AccessDeniedException", f"'{role}' is not authorized to create managed-rule.", 400, True
        )


def _rules(definition: str) -> list[str]:
    try:
        resources = set(_resources(json.loads(definition)))
    except ValueError:
        return []  # what is no JSON is refused as such
    return sorted(
        {RULES[match[1]] for match in map(_INTEGRATION.fullmatch, resources) if match and match[1] in RULES}
    )


def _resources(content: Any) -> Iterator[str]:
    """The ``Resource`` of every task, also of those within ``Map`` and ``Parallel``."""
    if isinstance(content, Mapping):
        if content.get("Type") == "Task" and isinstance(content.get("Resource"), str):
            yield content["Resource"]
        for member in content.values():
            yield from _resources(member)
    elif isinstance(content, list):
        for item in content:
            yield from _resources(item)
