"""What ``CreateCrawler`` and ``UpdateCrawler`` are checked for, and what is stored of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from millpond.planes.glue.exceptions import InvalidInputException
from millpond.planes.glue.requests import Shape, now
from millpond.planes.glue.workflows.definitions import schedule_of

_DEFAULTS: Mapping[str, Any] = {
    "RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVERYTHING"},
    "SchemaChangePolicy": {
        "UpdateBehavior": "UPDATE_IN_DATABASE",
        "DeleteBehavior": "DEPRECATE_IN_DATABASE",
    },
    "LineageConfiguration": {"CrawlerLineageSettings": "DISABLE"},
    "LakeFormationConfiguration": {"UseLakeFormationCredentials": False, "AccountId": ""},
    "Classifiers": [],
}
_MEMBERS = (
    "Role",
    "DatabaseName",
    "Description",
    "Targets",
    "TablePrefix",
    "Configuration",
    "CrawlerSecurityConfiguration",
    *_DEFAULTS,
)
_TARGETS = ("S3Targets", "JdbcTargets", "DynamoDBTargets", "CatalogTargets")
_NOT_HERE = ("MongoDBTargets", "DeltaTargets", "IcebergTargets", "HudiTargets")
_GROUPINGS = ("CombineCompatibleSchemas",)


def define(name: str, given: Mapping[str, Any], old: Mapping[str, Any] | None) -> Shape:
    """The ``Crawler`` structure without its state.

    Parameters
    ----------
    name : str
        Of the crawler.
    given : mapping
        The request; what an update does not say stays.
    old : mapping, optional
        The definition that is updated.

    Raises
    ------
    InvalidInputException
        If the crawler could not crawl: its targets, schedule or configuration are none, or not here.
    """
    made = now()
    definition: Shape = {
        "Name": name,
        "CreationTime": made,
        "Version": 0,
        **_DEFAULTS,
        **(old or {}),
        **{key: given[key] for key in _MEMBERS if given.get(key) is not None},
    }
    definition["LastUpdated"] = made
    definition["Version"] += 1
    for member in ("RecrawlPolicy", "SchemaChangePolicy", "LineageConfiguration"):
        definition[member] = {**_DEFAULTS[member], **definition[member]}
    if given.get("Schedule"):
        schedule_of(given["Schedule"])
        definition["Schedule"] = {"ScheduleExpression": given["Schedule"], "State": "SCHEDULED"}
    elif given.get("Schedule") == "":
        definition.pop("Schedule", None)
    _check_targets(definition["Targets"])
    _check_configuration(definition)
    _check_policies(definition)
    return definition


def _check_targets(targets: Mapping[str, Any]) -> None:
    if asked := [kind for kind in _NOT_HERE if targets.get(kind)]:
        raise InvalidInputException(f"Targets of the kind {', '.join(asked)} are not available here")
    for target in targets.get("S3Targets") or []:
        address(target)
        if target.get("EventQueueArn"):
            raise InvalidInputException("Crawling by events of a queue (EventQueueArn) is not available here")
    for target in targets.get("JdbcTargets") or []:
        if not target.get("ConnectionName") or not target.get("Path"):
            raise InvalidInputException("A JDBC target needs ConnectionName and Path")


def address(target: Mapping[str, Any]) -> str:
    """Where a target in S3 is, as ``s3://BUCKET/PREFIX``.

    A path may leave the scheme out (CloudFormation User Guide, ``AWS::Glue::Crawler``, the example whose path
    is the ``Ref`` of a bucket).

    Raises
    ------
    InvalidInputException
        If the path is of another kind, or there is none.
    """
    path = str(target.get("Path") or "")
    scheme, separator, rest = path.partition("://")
    place = rest if separator else path
    if not place or (separator and scheme != "s3"):
        raise InvalidInputException(f"The path {target.get('Path')} is not one in S3")
    return f"s3://{place}"


def _check_configuration(definition: Mapping[str, Any]) -> None:
    text = definition.get("Configuration")
    if not text:
        return
    try:
        configuration = json.loads(text)
    except ValueError as error:
        raise InvalidInputException(f"Crawler configuration is not valid JSON: {error}") from error
    policy = (configuration.get("Grouping") or {}).get("TableGroupingPolicy")
    if policy not in (None, *_GROUPINGS):
        raise InvalidInputException(f"TableGroupingPolicy {policy} is not one of {', '.join(_GROUPINGS)}")


def _check_policies(definition: Mapping[str, Any]) -> None:
    behavior = definition["RecrawlPolicy"]["RecrawlBehavior"]
    if behavior == "CRAWL_EVENT_MODE":
        raise InvalidInputException("RecrawlBehavior CRAWL_EVENT_MODE is not available here")
    changes = definition["SchemaChangePolicy"]
    if behavior == "CRAWL_NEW_FOLDERS_ONLY" and set(changes.values()) != {"LOG"}:
        raise InvalidInputException(
            'The SchemaChangePolicy for "Crawl new folders only" Amazon S3 targets can have only '
            "LOG DeleteBehavior value and LOG UpdateBehavior value."
        )
    if definition["LineageConfiguration"].get("CrawlerLineageSettings") == "ENABLE":
        raise InvalidInputException("Lineage of crawlers is not available here")
