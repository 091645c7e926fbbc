"""Parameters of stacks that are lists and numbers: what they were is of the same type as what they are.

LocalStack gives a list parameter its type in the template that is to be, and leaves it a text in the template
that was, where ``Fn::Join`` and ``Ref`` of it then fail or seem to change.
"""

from __future__ import annotations

from typing import Any

from localstack.services.cloudformation.engine.v2.change_set_model import is_nothing
from localstack.services.cloudformation.engine.v2.change_set_model_preproc import ChangeSetModelPreproc

from millpond.localstack_ext.engine import patches


def install_list_parameters() -> None:
    """Let LocalStack's stacks read parameters like this."""

    def visit_node_parameter(theirs: Any, self: Any, node_parameter: Any) -> Any:
        delta = theirs(self, node_parameter)
        kind = self.visit(node_parameter.type_)
        declared = kind.after if is_nothing(kind.before) else kind.before
        if isinstance(delta.before, str):
            delta.before = typed(delta.before, declared)
        return delta

    patches.wrap(ChangeSetModelPreproc, "visit_node_parameter", visit_node_parameter)


def typed(value: str, declared: str) -> Any:
    """The value of a parameter as its type has it."""
    if declared == "CommaDelimitedList" or declared.startswith("List<"):
        return [item.strip() for item in value.split(",")]
    if declared == "Number":
        return float(value) if "." in value else int(value)
    return value
