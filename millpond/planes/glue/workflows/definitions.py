"""What ``CreateTrigger`` and ``UpdateTrigger`` are checked for, and what is stored of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millpond.planes.common.cron import Schedule, parse_schedule
from millpond.planes.glue.exceptions import InvalidInputException, ValidationException
from millpond.planes.glue.requests import Shape, chosen

_JOB_STATES = ("SUCCEEDED", "STOPPED", "FAILED", "TIMEOUT")
_CRAWL_STATES = ("SUCCEEDED", "FAILED", "CANCELLED")
_MEMBERS = ("Description", "Schedule", "Actions", "Predicate", "EventBatchingCondition")
# "EventBatchingCondition" in the API Reference.
DEFAULT_WINDOW_SECONDS = 900


def define(name: str, kind: str, given: Mapping[str, Any], workflow: str, state: str) -> Shape:
    """The ``Trigger`` structure.

    Raises
    ------
    InvalidInputException
        If the trigger could never fire, or its actions are none.
    """
    definition = {
        "Name": name,
        "Type": kind,
        "State": state,
        **({"WorkflowName": workflow} if workflow else {}),
        **chosen(given, *_MEMBERS),
    }
    _check_actions(definition.get("Actions") or [])
    if kind == "SCHEDULED":
        schedule_of(definition.get("Schedule"))
    elif definition.get("Schedule"):
        raise InvalidInputException(f"A trigger of type {kind} has no schedule")
    if kind == "CONDITIONAL":
        definition["Predicate"] = _predicate(definition.get("Predicate"))
    elif definition.get("Predicate"):
        raise InvalidInputException(f"A trigger of type {kind} has no predicate")
    if kind == "EVENT":
        if not workflow:
            raise InvalidInputException("A trigger of type EVENT must be part of a workflow")
        batching = {"BatchSize": 1, **(definition.get("EventBatchingCondition") or {})}
        definition["EventBatchingCondition"] = {"BatchWindow": DEFAULT_WINDOW_SECONDS, **batching}
    return definition


def schedule_of(text: str | None) -> Schedule:
    """The schedule of a trigger or a crawler.

    Raises
    ------
    InvalidInputException
        If it is none.
    """
    if not text:
        raise InvalidInputException("Schedule cannot be null or empty")
    try:
        return parse_schedule(text)
    except ValueError as error:
        raise InvalidInputException(f"Schedule is not valid: {error}") from error


def _check_actions(actions: list[Shape]) -> None:
    if not actions:
        raise InvalidInputException("Actions cannot be null or empty")
    for action in actions:
        if action.get("JobName") and action.get("CrawlerName"):
            raise InvalidInputException("Both JobName and CrawlerName cannot be set together in an action")
        if not (action.get("JobName") or action.get("CrawlerName")):
            raise InvalidInputException("Either JobName or CrawlerName must be set in an action")


def _predicate(given: Mapping[str, Any] | None) -> Shape:
    if not given or not given.get("Conditions"):
        raise InvalidInputException("Predicate cannot be null or empty")
    conditions = [_condition(place, one) for place, one in enumerate(given["Conditions"], 1)]
    if len(conditions) > 1 and not given.get("Logical"):
        raise InvalidInputException("Logical cannot be null or empty if there are several conditions")
    return {"Logical": given.get("Logical") or "AND", "Conditions": conditions}


def _condition(place: int, given: Mapping[str, Any]) -> Shape:
    operator = given.get("LogicalOperator")
    if not operator:
        raise InvalidInputException("Logical operator cannot be null or empty")
    if operator != "EQUALS":
        raise ValidationException(
            f"1 validation error detected: Value '{operator}' at 'predicate.conditions.{place}.member."
            "logicalOperator' failed to satisfy constraint: Member must satisfy enum value set: [EQUALS]"
        )
    if bool(given.get("JobName")) == bool(given.get("CrawlerName")):
        raise InvalidInputException("JobName or CrawlerName in condition cannot be null or empty")
    member, what, states = (
        ("State", "job", _JOB_STATES) if given.get("JobName") else ("CrawlState", "crawler", _CRAWL_STATES)
    )
    if given.get(member) not in states:
        raise InvalidInputException(
            f"State cannot be null or empty, choose from one of the following {what} state: "
            f"[{', '.join(states)}]"
        )
    return dict(given)
