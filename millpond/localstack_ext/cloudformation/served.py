"""Whether this engine answers what a row of the table calls."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from millpond.localstack_ext.cloudformation.rows import Row
from millpond.localstack_ext.engine.dispatch import answers
from millpond.planes.athena.operations import OPERATIONS as ATHENA
from millpond.planes.codebuild.operations import OPERATIONS as CODEBUILD
from millpond.planes.common.operations import Answer, Operations
from millpond.planes.glue.operations import OPERATIONS as GLUE

_PLANES: Mapping[str, Operations] = {
    operations.service: operations for operations in (ATHENA, CODEBUILD, GLUE)
}


def is_served(row: Row) -> bool:
    """Whether a resource of a row's type can be made here, and removed again."""
    return not refused(row)


def refused(row: Row) -> list[str]:
    """The operations of a row without which there is no resource, and which nobody answers."""
    if row.service not in _PLANES:
        return []
    answers = _answers(row.service)
    return [
        operation
        for operation in (row.create.operation, row.delete.operation)
        if answers[operation] is Answer.REFUSED
    ]


@cache
def _answers(service: str) -> Mapping[str, Answer]:
    return answers(service, _PLANES[service])
