"""The graph of a workflow: its triggers, jobs and crawlers, and what leads from one to the other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from millpond.planes.glue.workflows.store import Trigger, WorkflowRun

Shape = dict[str, Any]
Look = Callable[[str, str, str], Shape]


def node_id(kind: str, name: str) -> str:
    """The id of a node, the same in every run of the workflow."""
    return f"wnode_{hashlib.sha256(f'{kind}/{name}'.encode()).hexdigest()}"


def graph_of(triggers: Iterable[Trigger], run: WorkflowRun | None, look: Look) -> Shape:
    """The ``WorkflowGraph`` structure.

    Parameters
    ----------
    triggers : iterable of Trigger
        Those of the workflow.
    run : WorkflowRun, optional
        Whose job runs and crawls are shown at the nodes.
    look : callable
        Kind, name and id → the ``JobRun`` or ``Crawl`` structure.
    """
    nodes: dict[str, Shape] = {}
    edges: list[Shape] = []

    def work_node(kind: str, name: str) -> str:
        key = node_id(kind, name)
        if key not in nodes:
            steps = [one for one in (run.steps if run else []) if (one.kind, one.name) == (kind, name)]
            shown = [look(kind, name, one.id) for one in steps]
            details = (
                {"JobDetails": {"JobRuns": shown}} if kind == "Job" else {"CrawlerDetails": {"Crawls": shown}}
            )
            nodes[key] = {"Type": kind.upper(), "Name": name, "UniqueId": key, **(details if run else {})}
        return key

    for trigger in triggers:
        own = node_id("Trigger", trigger.name)
        nodes[own] = {
            "Type": "TRIGGER",
            "Name": trigger.name,
            "UniqueId": own,
            "TriggerDetails": {"Trigger": trigger.definition},
        }
        for condition in trigger.conditions:
            edges.append({"SourceId": work_node(*_work(condition)), "DestinationId": own})
        for action in trigger.definition.get("Actions") or []:
            edges.append({"SourceId": own, "DestinationId": work_node(*_work(action))})
    unique = {(edge["SourceId"], edge["DestinationId"]): edge for edge in edges}
    return {"Nodes": list(nodes.values()), "Edges": list(unique.values())}


def _work(one: Shape) -> tuple[str, str]:
    return ("Job", one["JobName"]) if one.get("JobName") else ("Crawler", one["CrawlerName"])


def reached_from(node_ids: Iterable[str], graph: Shape) -> set[str]:
    """Those nodes and all that come after them."""
    reached, waiting = set(), list(node_ids)
    while waiting:
        one = waiting.pop()
        if one not in reached:
            reached.add(one)
            waiting += [edge["DestinationId"] for edge in graph["Edges"] if edge["SourceId"] == one]
    return reached
