"""A state machine as a graph, and how far an execution of it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from millpond.client.aws import Aws
from millpond.client.listing import pages
from millpond.console.reads.runs import Outcome


@dataclass(frozen=True)
class Node:
    """A state.

    Parameters
    ----------
    path : tuple of str
        Its name behind those of the states that it is inside of.
    type : str
        ``Task``, ``Map``, ``Choice`` …
    """

    path: tuple[str, ...]
    type: str

    @property
    def name(self) -> str:
        """The name of the state itself."""
        return self.path[-1]


@dataclass(frozen=True)
class Edge:
    """A way from one state to another.

    Parameters
    ----------
    start, end : tuple of str
        Paths of both.
    label : str
        ``default``, what is caught, or the comment of a choice; empty for the usual way.
    """

    start: tuple[str, ...]
    end: tuple[str, ...]
    label: str = ""


@dataclass(frozen=True)
class Graph:
    """States and the ways between them, inner ones of ``Map`` and ``Parallel`` too."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True)
class Visit:
    """A state that an execution entered.

    Parameters
    ----------
    name : str
        The state.
    outcome : str
        How it stands.
    input, output : str
        JSON; empty where the history does not say.
    error : str
        Error and cause.
    """

    name: str
    outcome: Outcome
    input: str = ""
    output: str = ""
    error: str = ""


def graph_of(definition: Mapping[str, Any]) -> Graph:
    """The graph of a definition in Amazon States Language."""
    nodes: list[Node] = []
    edges: list[Edge] = []
    _add(definition, (), nodes, edges)
    return Graph(tuple(nodes), tuple(edges))


def _add(definition: Mapping[str, Any], outer: tuple[str, ...], nodes: list[Node], edges: list[Edge]) -> None:
    for name, state in definition.get("States", {}).items():
        path = (*outer, name)
        nodes.append(Node(path, state.get("Type", "")))
        edges += [Edge(path, (*outer, to), label) for to, label in _next(state)]
        inner = state.get("ItemProcessor") or state.get("Iterator")
        for one in [*state.get("Branches", []), *([inner] if inner else [])]:
            _add(one, path, nodes, edges)


def _next(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "Next" in state:
        yield state["Next"], ""
    for choice in state.get("Choices", []):
        if "Next" in choice:
            yield choice["Next"], choice.get("Comment", "")
    if "Default" in state:
        yield state["Default"], "default"
    for caught in state.get("Catch", []):
        yield caught["Next"], ", ".join(caught.get("ErrorEquals", []))


def visits_of(events: Sequence[Mapping[str, Any]]) -> list[Visit]:
    """The states that a history entered, in order; of one that was entered often each time.

    Parameters
    ----------
    events : sequence of mapping
        Of ``GetExecutionHistory``, oldest first.
    """
    before = {event["id"]: event.get("previousEventId", 0) for event in events}
    found: dict[int, Visit] = {}
    for event in events:
        kind, identity = event["type"], event["id"]
        if entered := event.get("stateEnteredEventDetails"):
            found[identity] = Visit(entered["name"], "running", entered.get("input", ""))
        left = event.get("stateExitedEventDetails", {})
        is_bad = kind.endswith(("Failed", "TimedOut", "Aborted"))
        if not (left or is_bad):
            continue
        if (entry := _entry(identity, before, found, left.get("name"))) is not None:
            if left:
                found[entry] = replace(found[entry], outcome="succeeded", output=left.get("output", ""))
            else:
                outcome: Outcome = "stopped" if kind.endswith("Aborted") else "failed"
                found[entry] = replace(found[entry], outcome=outcome, error=_error(event))
    return list(found.values())


def _entry(
    identity: int, before: Mapping[int, int], found: Mapping[int, Visit], name: str | None
) -> int | None:
    """The event with which the state was entered that an event belongs to: back along the history."""
    while identity := before.get(identity, 0):
        if identity in found and name in (None, found[identity].name):
            return identity
    return None


def _error(event: Mapping[str, Any]) -> str:
    details: Mapping[str, Any] = next(
        (value for key, value in event.items() if key.endswith("EventDetails")), {}
    )
    return ": ".join(part for part in (details.get("error"), details.get("cause")) if part)


_WORST: Sequence[Outcome] = ("failed", "running", "stopped", "succeeded")


def outcomes(visits: Sequence[Visit]) -> dict[str, Outcome]:
    """How each state stands: of one that was entered often the worst."""
    found: dict[str, Outcome] = {}
    for visit in visits:
        known = found.get(visit.name, visit.outcome)
        found[visit.name] = min(known, visit.outcome, key=_WORST.index)
    return found


_CLASSES = """
classDef succeeded fill:#cdeed6,stroke:#17692f,color:#0b3317
classDef failed fill:#fbd3d1,stroke:#b3161b,color:#5c0b0e
classDef running fill:#d0e2fb,stroke:#1259b8,color:#0a2f60
classDef stopped fill:#f3e3bd,stroke:#6a4a00,color:#3f2c00
classDef untouched fill:#f5f6f8,stroke:#848b94,color:#30353b
"""


def mermaid(graph: Graph, standing: Mapping[str, Outcome]) -> str:
    """The graph in Mermaid's language; texts of others are quoted so that they stay texts."""
    ids = {node.path: f"s{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart TD", *_nested(graph, (), ids, standing)]
    for edge in graph.edges:
        if edge.start in ids and edge.end in ids:
            label = f"|{_text(edge.label)}|" if edge.label else ""
            lines.append(f"{ids[edge.start]} -->{label} {ids[edge.end]}")
    return "\n".join(lines) + _CLASSES


def _nested(
    graph: Graph, outer: tuple[str, ...], ids: Mapping[tuple[str, ...], str], standing: Mapping[str, Outcome]
) -> Iterator[str]:
    for node in graph.nodes:
        if node.path[:-1] != outer:
            continue
        name = ids[node.path]
        if any(other.path[:-1] == node.path for other in graph.nodes):
            yield f"subgraph {name} [{_text(f'{node.name} ({node.type})')}]"
            yield from _nested(graph, node.path, ids, standing)
            yield "end"
        else:
            yield f"{name}[{_text(node.name)}]"
        yield f"class {name} {standing.get(node.name, 'untouched')}"


def _text(text: str) -> str:
    # Whatever Mermaid or HTML could take for more than a letter becomes its number.
    return '"' + re.sub(r"[^\w ,.\-()]", lambda found: f"#{ord(found[0])};", text) + '"'


@dataclass(frozen=True)
class Execution:
    """An execution with its machine.

    Parameters
    ----------
    graph : Graph
        Of the definition.
    visits : tuple of Visit
        The states that it entered.
    input, output : str
        JSON.
    machine_arn : str
        Of its machine.
    can_redrive : bool
        Whether it can go on from where it failed, with what succeeded kept.
    """

    graph: Graph
    visits: tuple[Visit, ...]
    input: str
    output: str
    machine_arn: str
    can_redrive: bool = False


def read_execution(aws: Aws, arn: str) -> Execution:
    """An execution, its machine's definition and its history."""
    client = aws.stepfunctions
    told = client.describe_execution(executionArn=arn)
    # As it was when the execution began, not as it is now.
    machine = client.describe_state_machine_for_execution(executionArn=arn)
    events = list(pages(client, "get_execution_history", "events", executionArn=arn))
    return Execution(
        graph_of(json.loads(machine["definition"])),
        tuple(visits_of(events)),
        told.get("input", ""),
        told.get("output", ""),
        told["stateMachineArn"],
        told.get("redriveStatus") == "REDRIVABLE",
    )
