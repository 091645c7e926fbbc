"""What is kept of data quality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

from millpond.planes.glue.exceptions import InvalidInputException
from millpond.planes.glue.requests import Request, Shape
from millpond.planes.glue.tasks import Task

_SOURCES = ("GlueTable", "DataQualityGlueTable")


@dataclass
class QualityState:
    """Rulesets by name; evaluation and recommendation runs, and results, by id, the oldest first.

    Annotations are by profile and statistic.
    """

    KEPT: ClassVar[tuple[str, ...]] = ("rulesets", "evaluations", "recommendations", "results", "annotations")

    rulesets: dict[str, Shape] = field(default_factory=dict)
    evaluations: dict[str, Task] = field(default_factory=dict)
    recommendations: dict[str, Task] = field(default_factory=dict)
    results: dict[str, Shape] = field(default_factory=dict)
    annotations: dict[tuple[str, str], Shape] = field(default_factory=dict)

    def settle(self) -> None:
        """End the runs that an engine before has left."""
        for one in (*self.evaluations.values(), *self.recommendations.values()):
            one.settle()


def table_of(source: Mapping[str, Any]) -> Shape:
    """The table that a ``DataSource`` names.

    Raises
    ------
    InvalidInputException
        If it names none, or what is not read here: a table behind a connection, a query before the rules.
    """
    table = next((source[name] for name in _SOURCES if source.get(name)), None)
    if table is None:
        raise InvalidInputException("DataSource must have a GlueTable")
    for member in ("ConnectionName", "PreProcessingQuery"):
        if table.get(member):
            raise InvalidInputException(f"A data source with {member} is not available here")
    return dict(table)


def moment(value: Any) -> datetime:
    """A timestamp of a request."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.fromtimestamp(float(value), UTC)


def is_between(when: datetime, criteria: Request, after: str, before: str) -> bool:
    """Whether a moment lies between two members of a filter."""
    low, high = criteria.get(after), criteria.get(before)
    return (low is None or when > moment(low)) and (high is None or when < moment(high))


def is_of(source: Mapping[str, Any] | None, criteria: Request) -> bool:
    """Whether a source is the table of a filter's ``DataSource``."""
    if not criteria.get("DataSource"):
        return True
    if source is None:
        return False
    wanted, found = table_of(criteria["DataSource"]), table_of(source)
    return all(
        str(wanted.get(one)).lower() == str(found.get(one)).lower() for one in ("DatabaseName", "TableName")
    )
