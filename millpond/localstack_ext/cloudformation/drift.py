"""Drift detection: each resource whose type can be read is compared with the template of its stack."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from localstack.aws.api.cloudformation import ChangeAction
from localstack.services.cloudformation.engine.v2.change_set_model_executor import ChangeSetModelExecutor
from localstack.services.cloudformation.engine.v2.change_set_model_preproc import PreprocProperties
from localstack.services.cloudformation.resource_provider import (
    OperationStatus,
    ResourceProviderExecutor,
    convert_payload,
)
from localstack.services.cloudformation.v2.entities import ChangeSet

from millpond.localstack_ext.cloudformation.differences import differences
from millpond.localstack_ext.cloudformation.generic import PHYSICAL_ID


def drift_of(stack: Any, name: str) -> dict[str, Any]:
    """``StackResourceDrift`` of a resource, by its logical id."""
    resource = stack.resolved_resources[name]
    drift = {
        "StackId": stack.stack_id,
        "LogicalResourceId": name,
        "PhysicalResourceId": resource.get("PhysicalResourceId"),
        "ResourceType": resource["Type"],
        "Timestamp": datetime.now(tz=UTC),
    }
    provider: Any = ResourceProviderExecutor.try_load_resource_provider(resource["Type"])
    expected = resource.get("SpecifiedProperties") or {}
    try:
        event = provider.read(_request(stack, name, resource))
    except NotImplementedError:
        return {**drift, "StackResourceDriftStatus": "NOT_CHECKED"}
    shown = {"ExpectedProperties": json.dumps(expected, default=str)}
    if event.status is not OperationStatus.SUCCESS:
        status = "DELETED" if event.error_code == "NotFound" else "UNKNOWN"
        return {**drift, **shown, "StackResourceDriftStatus": status, "PropertyDifferences": []}
    actual = {key: value for key, value in event.resource_model.items() if key in expected}
    property_differences = differences(provider.SCHEMA, expected, actual)
    return {
        **drift,
        **shown,
        "ActualProperties": json.dumps(actual, default=str),
        "PropertyDifferences": property_differences,
        "StackResourceDriftStatus": "MODIFIED" if property_differences else "IN_SYNC",
    }


def _request(stack: Any, name: str, resource: Any) -> Any:
    change_set = ChangeSet(stack, {"ChangeSetName": "drift"}, template_body="")
    model = PreprocProperties({**resource["Properties"], PHYSICAL_ID: resource["PhysicalResourceId"]})
    payload = ChangeSetModelExecutor(change_set).create_resource_provider_payload(
        action=ChangeAction.Modify,
        logical_resource_id=name,
        resource_type=resource["Type"],
        before_properties=model,
        after_properties=model,
    )
    if payload is None:
        raise RuntimeError(f"No request can be made for {name}")
    return convert_payload(stack.stack_name, stack.stack_id, payload)
