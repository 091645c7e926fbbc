"""Stacks that were being changed when the engine stopped."""

from __future__ import annotations

from typing import Any

import pytest
from localstack.aws.api.cloudformation import ResourceStatus, StackStatus
from localstack.services.cloudformation.v2.entities import Stack

from millpond.localstack_ext.cloudformation.standstill import settle
from millpond.planes.common.state import ENDED


def stack_in(status: str) -> Stack:
    request: Any = {"StackName": "kept"}
    return Stack("000000000000", "eu-west-1", request, StackStatus(status))


@pytest.mark.parametrize(
    ("status", "end"),
    [
        ("CREATE_IN_PROGRESS", "CREATE_FAILED"),
        ("ROLLBACK_IN_PROGRESS", "ROLLBACK_FAILED"),
        ("UPDATE_IN_PROGRESS", "UPDATE_FAILED"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"),
        ("DELETE_IN_PROGRESS", "DELETE_FAILED"),
    ],
)
def test_a_stack_that_nobody_goes_on_with_has_ended(status: str, end: str) -> None:
    stack = stack_in(status)
    for name, at in (("Made", "CREATE_COMPLETE"), ("Begun", "CREATE_IN_PROGRESS")):
        stack.set_resource_status(
            logical_resource_id=name, physical_resource_id=name, resource_type="AWS::SQS::Queue",
            status=ResourceStatus(at),
        )  # fmt: skip
    settle(stack)
    assert (stack.status, stack.status_reason) == (end, ENDED)
    states = {name: resource["ResourceStatus"] for name, resource in stack.resource_states.items()}
    assert states == {"Made": "CREATE_COMPLETE", "Begun": "CREATE_FAILED"}


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"])
def test_a_stack_at_rest_stays_as_it_is(status: str) -> None:
    stack = stack_in(status)
    settle(stack)
    assert (stack.status, stack.status_reason) == (status, None)
