"""The services of :data:`KEPT` as LocalStack loads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localstack.aws.skeleton import Skeleton
from localstack.aws.spec import load_service
from localstack.services.plugins import Service

from millpond.localstack_ext.engine.dispatch import Handler, Served, dispatch_table, refuse
from millpond.localstack_ext.kept.budgets import AllBudgets
from millpond.localstack_ext.kept.lakeformation import install_grants
from millpond.localstack_ext.kept.operations import KEPT
from millpond.planes.common.operations import Answer

_OWN: Mapping[str, type[AllBudgets]] = {"budgets": AllBudgets}


def kept_service(name: str) -> Service:
    """A service whose kept operations are answered, and whose others are refused."""
    if name == "lakeformation":
        install_grants()
    if name not in _OWN:
        return Service(
            name=name, skeleton=Skeleton(load_service(name), _only_kept(name, dispatch_table(name)))
        )
    own: Any = _OWN[name]()
    table: Any = _only_kept(name, dispatch_table(name, Served(KEPT[name], own.of)))
    return Service.for_provider(own, dispatch_table_factory=lambda _: table)


def answers_of(name: str) -> dict[str, Answer]:
    """What becomes of every operation of a service."""
    kept = {*KEPT[name].kept, *KEPT[name].own}
    existing = load_service(name).operation_names
    if unknown := kept - set(existing):
        raise ValueError(f"{name} has no operation {', '.join(sorted(unknown))}")
    return {operation: Answer.KEPT if operation in kept else Answer.REFUSED for operation in existing}


def _only_kept(name: str, table: dict[str, Handler]) -> dict[str, Handler]:
    answers = answers_of(name)
    return {
        operation: handler if answers[operation] is Answer.KEPT else refuse
        for operation, handler in table.items()
    }
