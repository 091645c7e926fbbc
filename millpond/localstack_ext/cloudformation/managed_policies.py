"""``AWS::IAM::ManagedPolicy`` with its description and its path, which LocalStack's provider leaves out."""

from __future__ import annotations

import json
from typing import Any

from localstack.services.cloudformation.provider_utils import generate_default_name
from localstack.services.cloudformation.resource_provider import (
    OperationStatus,
    ProgressEvent,
    ResourceRequest,
)
from localstack.services.iam.resource_providers.aws_iam_managedpolicy import IAMManagedPolicyProvider

_OPTIONAL = ("Description", "Path")


class ManagedPolicyProvider(IAMManagedPolicyProvider):
    """Makes a policy as IAM's ``CreatePolicy`` takes it; deletes as LocalStack's does."""

    def create(self, request: ResourceRequest[Any]) -> ProgressEvent[Any]:
        """Create the policy, and attach it."""
        model, iam = request.desired_state, request.aws_client_factory.iam
        if not model.get("ManagedPolicyName"):
            model["ManagedPolicyName"] = generate_default_name(
                request.stack_name, request.logical_resource_id
            )
        document = model["PolicyDocument"]
        made = iam.create_policy(
            PolicyName=model["ManagedPolicyName"],
            PolicyDocument=document if isinstance(document, str) else json.dumps(document),
            **{name: model[name] for name in _OPTIONAL if model.get(name)},
        )
        arn = model["Id"] = made["Policy"]["Arn"]
        for kind, member in (("role", "RoleName"), ("user", "UserName"), ("group", "GroupName")):
            for name in model.get(f"{kind.title()}s") or []:
                getattr(iam, f"attach_{kind}_policy")(PolicyArn=arn, **{member: name})
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)
