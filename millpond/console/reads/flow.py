"""The way of data through a platform: what is deployed, and what its runs really did, as one graph."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from millpond.client.trail import Passage
from millpond.console.reads.runs import Run
from millpond.console.reads.things import Thing, thing_of

# What can be told apart on a screen, and laid out in a second.
MOST_NODES = 150

# Whoever did something by hand, not as a part of the platform: shown for what he started or wrote.
_PEOPLE = frozenset({"account", "user"})
_QUERY = "athena.amazonaws.com"


@dataclass(frozen=True)
class Link:
    """A line between two things that the definitions say, whether anything has gone that way or not."""

    start: Thing
    end: Thing
    verb: str


@dataclass(frozen=True)
class Edge:
    """A line of the graph.

    Parameters
    ----------
    start, end : Thing
        In the direction in which data goes, or in which one thing starts the other.
    verb : str
        ``reads``, ``writes`` or ``starts``, of the one that acts.
    passages : tuple of Passage
        What went that way; empty where only the definitions say that it can.
    """

    start: Thing
    end: Thing
    verb: str
    passages: tuple[Passage, ...] = ()

    @property
    def is_seen(self) -> bool:
        """Whether anything has gone this way."""
        return bool(self.passages)

    def is_of(self, chosen: Collection[Passage] | None, moment: float) -> bool:
        """Whether something went this way until a moment; of some passages, or of all."""
        return any((chosen is None or one in chosen) and one.first <= moment for one in self.passages)


@dataclass(frozen=True)
class Flow:
    """The graph."""

    nodes: tuple[Thing, ...]
    edges: tuple[Edge, ...]


class Places:
    """Which table the files of a folder are of.

    Parameters
    ----------
    tables : iterable of (Thing, location, form)
        Each with its place in S3, and ``ICEBERG`` where it is one.
    """

    def __init__(self, tables: Iterable[tuple[Thing, str, str]]) -> None:
        self._tables: dict[str, list[tuple[Thing, bool]]] = defaultdict(list)
        for table, location, form in tables:
            place = location.partition("://")[2].rstrip("/")
            if place:
                self._tables[f"{place}/"].append((table, form == "ICEBERG"))

    def of(self, folder: str) -> tuple[Thing, bool]:
        """The table of a folder ``bucket/a/b/``, and whether the folder has metadata of Iceberg only.

        Where none is there, or several share it, the first folder of the bucket.
        """
        parts = folder.rstrip("/").split("/")
        for count in range(len(parts), 0, -1):
            place = "/".join(parts[:count]) + "/"
            if len(found := self._tables.get(place, [])) == 1:
                table, is_iceberg = found[0]
                return table, is_iceberg and folder[len(place) :].startswith("metadata/")
        return Thing("folder", "/".join(parts[:2]) + "/"), False


def flow_of(
    passages: Iterable[Passage], links: Iterable[Link], places: Places, workgroups: Mapping[str, str]
) -> Flow:
    """The graph of what was done and of what is deployed.

    Parameters
    ----------
    passages : iterable of Passage
        What acted on what.
    links : iterable of Link
        Of the definitions.
    places : Places
        Of tables.
    workgroups : mapping of str to str
        The workgroup of each query, by its id.
    """
    seen: dict[tuple[Thing, Thing, str], list[Passage]] = defaultdict(list)
    wrote: set[tuple[str, Thing]] = set()
    looked = []
    for one in passages:
        actor = _actor(one, workgroups)
        resource = thing_of(one.resource)
        if actor is None or resource is None or resource == actor:
            continue
        is_metadata = False
        if resource.kind in ("folder", "bucket"):
            resource, is_metadata = places.of(resource.name)
        if resource == actor:
            continue
        if one.verb == "writes":
            seen[actor, resource, "writes"].append(one)
            wrote.add((one.run, resource))
        elif one.verb == "starts":
            seen[actor, resource, "starts"].append(one)
        elif not is_metadata and actor.kind not in _PEOPLE:
            looked.append((actor, resource, one))
    for actor, resource, one in looked:
        # Who writes a table looks it up as well, and that is no reading.
        if one.verb == "reads" or (actor.kind == "workgroup" and (one.run, resource) not in wrote):
            seen[resource, actor, "reads"].append(one)
    lines = {(one.start, one.end, one.verb): () for one in links} | seen
    edges = [
        Edge(start, end, verb, tuple(found)) for (start, end, verb), found in lines.items() if start != end
    ]
    return _graph(sorted(edges, key=lambda one: (one.start, one.end, one.verb)))


def _graph(edges: Sequence[Edge]) -> Flow:
    return Flow(tuple(sorted({end for one in edges for end in (one.start, one.end)})), tuple(edges))


def _actor(passage: Passage, workgroups: Mapping[str, str]) -> Thing | None:
    if passage.actor == _QUERY and passage.run:
        return Thing("workgroup", workgroups.get(passage.run, "primary"))
    return thing_of(passage.actor)


def around(flow: Flow, wanted: str) -> Flow:
    """What leads to the things with all words in kind and name, and what comes from them."""
    words = wanted.casefold().split()
    if not words:
        return flow
    chosen = {one for one in flow.nodes if all(word in f"{one.kind} {one.name}".casefold() for word in words)}
    before, after = set(chosen), set(chosen)
    _spread(before, [(one.end, one.start) for one in flow.edges])
    _spread(after, [(one.start, one.end) for one in flow.edges])
    kept = [one for one in flow.edges if {one.start, one.end} <= before or {one.start, one.end} <= after]
    found = _graph(kept)
    return Flow(tuple(sorted({*found.nodes, *chosen})), found.edges)


def _spread(reached: set[Thing], ways: Sequence[tuple[Thing, Thing]]) -> None:
    following = defaultdict(list)
    for start, end in ways:
        following[start].append(end)
    waiting = list(reached)
    while waiting:
        for one in following[waiting.pop()]:
            if one not in reached:
                reached.add(one)
                waiting.append(one)


def of_run(passages: Iterable[Passage], run: Run) -> frozenset[Passage]:
    """What a run did; of an execution, what its machine did in its time, and what it started.

    A job run, a build and a crawl have a session that bears their id.
    """
    found = list(passages)
    if run.kind != "execution":
        session = session_of(run)
        return frozenset(one for one in found if one.run == session)
    machine = re.sub(r":execution:([^:]+):.*", r":stateMachine:\1", run.id)
    begun = run.started.timestamp() if run.started else 0.0
    ended = begun + run.seconds + 1 if run.seconds is not None else float("inf")
    within = [one for one in found if one.last >= begun and one.first <= ended]
    actors, reached = {thing_of(machine)}, set[Passage]()
    while True:
        more = {one for one in within if thing_of(one.actor) in actors} - reached
        if not more:
            return frozenset(reached)
        reached |= more
        actors |= {thing_of(one.resource) for one in more if one.verb == "starts"}


def session_of(run: Run) -> str:
    """The name of the session that a run has, as passages say it."""
    if run.kind == "job":
        return f"GlueJobRunnerSession-{run.id[3:19]}"
    if run.kind == "build":
        return f"AWSCodeBuild-{run.id.rpartition(':')[2]}"
    return f"AWS-Crawler-{run.id[:16]}" if run.kind == "crawl" else run.id


def moments(edges: Iterable[Edge]) -> list[float]:
    """When something went a way for the first time, in order, each second once."""
    return sorted({float(int(one.first) + 1) for edge in edges for one in edge.passages})


def at(moment: float) -> str:
    """A moment in this machine's own time."""
    return f"{datetime.fromtimestamp(moment).astimezone():%Y-%m-%d %H:%M:%S}"


_CLASSES = """
classDef source fill:#f3e3bd,stroke:#6a4a00,color:#3f2c00
classDef work fill:#d0e2fb,stroke:#1259b8,color:#0a2f60
classDef data fill:#cdeed6,stroke:#17692f,color:#0b3317
classDef start fill:#e9dcf7,stroke:#5b2d8e,color:#33124f
classDef other fill:#f5f6f8,stroke:#848b94,color:#30353b
"""
_ROLES: Mapping[str, str] = {
    **dict.fromkeys(("connection", "secret", "parameter"), "source"),
    **dict.fromkeys(("job", "function", "project", "crawler", "workgroup"), "work"),
    **dict.fromkeys(("table", "folder", "bucket", "items", "queue", "topic", "stream"), "data"),
    **dict.fromkeys(("state machine", "rule", "trigger", "workflow", "schedule", "pipe"), "start"),
}


def mermaid(flow: Flow) -> str:
    """The graph in Mermaid's language: its nodes are ``n0`` …, its edges ``e0`` … in order."""
    ids = {node: f"n{number}" for number, node in enumerate(flow.nodes)}
    lines = ["flowchart LR"]
    lines += [f"{ids[node]}[{_label(node)}]:::{_ROLES.get(node.kind, 'other')}" for node in flow.nodes]
    for number, edge in enumerate(flow.edges):
        arrow = "-->" if edge.is_seen else "-.->"
        lines.append(f"{ids[edge.start]} e{number}@{arrow} {ids[edge.end]}")
    return "\n".join(lines) + _CLASSES


def _label(node: Thing) -> str:
    name = node.name if len(node.name) <= 46 else f"{node.name[:45]}…"
    return f'"{_text(node.kind)}: {_text(name)}"'


def _text(text: str) -> str:
    # Whatever Mermaid or HTML could take for more than a letter becomes its number.
    return re.sub(r"[^\w ,.\-()/]", lambda found: f"#{ord(found[0])};", text)
