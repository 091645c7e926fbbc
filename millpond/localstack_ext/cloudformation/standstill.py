"""What becomes of stacks that an engine worked on when it stopped: nobody goes on with them.

They end as failed, as on AWS a change ends that cannot go on, so that they can be changed again or deleted.
"""

from __future__ import annotations

from localstack.aws.api.cloudformation import ResourceStatus, StackStatus
from localstack.services.cloudformation.stores import cloudformation_stores
from localstack.services.cloudformation.v2.entities import Stack

from millpond.planes.common.state import ENDED

_PROGRESS = "_IN_PROGRESS"
_ENDS = {
    StackStatus.UPDATE_COMPLETE_CLEANUP_IN_PROGRESS: StackStatus.UPDATE_COMPLETE,
    StackStatus.UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS: StackStatus.UPDATE_ROLLBACK_COMPLETE,
}


def settle_all() -> None:
    """Settle every stack that is being changed."""
    for _, _, store in cloudformation_stores.iter_stores():
        for stack in store.stacks_v2.values():
            settle(stack)


def settle(stack: Stack) -> None:
    """End a stack that is being changed, and its resources; one that waits for a change set is at rest."""
    status = str(stack.status)
    if not status.endswith(_PROGRESS) or status == StackStatus.REVIEW_IN_PROGRESS:
        return
    for name, resource in list(stack.resource_states.items()):
        if (at := str(resource["ResourceStatus"])).endswith(_PROGRESS):
            stack.set_resource_status(
                logical_resource_id=name,
                physical_resource_id=resource.get("PhysicalResourceId"),
                resource_type=resource["ResourceType"],
                status=ResourceStatus(at.removesuffix(_PROGRESS) + "_FAILED"),
                resource_status_reason=ENDED,
            )
    end = _ENDS.get(StackStatus(status)) or StackStatus(status.removesuffix(_PROGRESS) + "_FAILED")
    stack.set_stack_status(end, ENDED)
