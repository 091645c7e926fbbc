"""Workgroups and tags."""

from __future__ import annotations

import datetime as dt
import re
import threading
from dataclasses import dataclass, field
from typing import Any

from millpond.planes.athena.data_catalogs import DataCatalogs
from millpond.planes.athena.exceptions import InvalidRequestException, ResourceNotFoundException
from millpond.planes.athena.paging import page

PRIMARY = "primary"
ENGINE_VERSION = "Athena engine version 3"
_NAME = re.compile(r"[a-zA-Z0-9._-]{1,128}")
_LEAST_CUTOFF = 10_000_000


@dataclass
class WorkGroup:
    """A workgroup; ``configuration`` is a ``WorkGroupConfiguration`` of the API."""

    name: str
    configuration: dict[str, Any]
    description: str = ""
    state: str = "ENABLED"
    created: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    @property
    def output_location(self) -> str:
        return str(self.configuration.get("ResultConfiguration", {}).get("OutputLocation", ""))

    @property
    def is_enforced(self) -> bool:
        return bool(self.configuration.get("EnforceWorkGroupConfiguration"))

    @property
    def publishes_metrics(self) -> bool:
        return bool(self.configuration.get("PublishCloudWatchMetricsEnabled"))

    @property
    def scan_limit(self) -> int | None:
        limit = self.configuration.get("BytesScannedCutoffPerQuery")
        return int(limit) if limit else None


class WorkGroups:
    """The workgroups of an account, and the tags of everything that has an ARN here.

    Parameters
    ----------
    arn_prefix : str
        ``arn:aws:athena:REGION:ACCOUNT:``.
    catalogs : DataCatalogs
        Those that have tags here, too.
    """

    KEPT = ("_groups", "_tags")

    def __init__(self, arn_prefix: str, catalogs: DataCatalogs) -> None:
        self._arn_prefix = arn_prefix
        self._catalogs = catalogs
        self._lock = threading.Lock()
        primary = WorkGroup(PRIMARY, _configured({"EnforceWorkGroupConfiguration": False}))
        self._groups = {PRIMARY: primary}
        self._tags: dict[str, dict[str, str]] = {}

    def find(self, name: str) -> WorkGroup:
        """A workgroup.

        Raises
        ------
        InvalidRequestException
            If there is none of that name.
        """
        if (group := self._groups.get(name)) is None:
            raise InvalidRequestException(f"WorkGroup {name} is not found.")
        return group

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["Name"]
        if not _NAME.fullmatch(name):
            raise InvalidRequestException(f"Invalid WorkGroup name {name}")
        configuration = _configured(request.get("Configuration") or {})
        with self._lock:
            if name in self._groups:
                raise InvalidRequestException(f"WorkGroup {name} is already created")
            self._groups[name] = WorkGroup(name, configuration, request.get("Description", ""))
            self._tags[self._arn(name)] = {t["Key"]: t.get("Value", "") for t in request.get("Tags") or []}
        return {}

    def get(self, request: dict[str, Any]) -> dict[str, Any]:
        group = self.find(request["WorkGroup"])
        described = {
            "Name": group.name,
            "State": group.state,
            "Configuration": group.configuration,
            "CreationTime": group.created,
        }
        return {"WorkGroup": described | ({"Description": group.description} if group.description else {})}

    def list_all(self, request: dict[str, Any]) -> dict[str, Any]:
        groups, more = page(sorted(self._groups.values(), key=lambda g: g.name), request)
        summaries = [
            {
                "Name": group.name,
                "State": group.state,
                "Description": group.description,
                "CreationTime": group.created,
                "EngineVersion": group.configuration["EngineVersion"],
            }
            for group in groups
        ]
        return {"WorkGroups": summaries, **more}

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        group = self.find(request["WorkGroup"])
        configuration = _updated(group.configuration, request.get("ConfigurationUpdates") or {})
        with self._lock:
            group.configuration = configuration
            group.description = request.get("Description", group.description)
            group.state = request.get("State", group.state)
        return {}

    def delete(self, name: str) -> None:
        """Remove a workgroup and its tags."""
        if name == PRIMARY:
            raise InvalidRequestException("The primary workgroup cannot be deleted")
        self.find(name)
        with self._lock:
            self._groups.pop(name, None)
            self._tags.pop(self._arn(name), None)

    # Tags

    def create_catalog(self, request: dict[str, Any]) -> dict[str, Any]:
        """A data catalog with its tags."""
        answer = self._catalogs.create(request)
        given = {tag["Key"]: tag.get("Value", "") for tag in request.get("Tags") or []}
        self._tags[f"{self._arn_prefix}datacatalog/{request['Name']}"] = given
        return answer

    def delete_catalog(self, request: dict[str, Any]) -> dict[str, Any]:
        """Remove a data catalog and its tags."""
        answer = self._catalogs.delete(request)
        self._tags.pop(f"{self._arn_prefix}datacatalog/{request['Name']}", None)
        return answer

    def list_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        tags = self._tags_of(request["ResourceARN"])
        shown, more = page([{"Key": k, "Value": v} for k, v in sorted(tags.items())], request, 75)
        return {"Tags": shown, **more}

    def tag(self, request: dict[str, Any]) -> dict[str, Any]:
        self._tags_of(request["ResourceARN"]).update(
            {tag["Key"]: tag.get("Value", "") for tag in request["Tags"]}
        )
        return {}

    def untag(self, request: dict[str, Any]) -> dict[str, Any]:
        tags = self._tags_of(request["ResourceARN"])
        for key in request["TagKeys"]:
            tags.pop(key, None)
        return {}

    def _arn(self, name: str) -> str:
        return f"{self._arn_prefix}workgroup/{name}"

    def _tags_of(self, arn: str) -> dict[str, str]:
        kind, _, name = arn.removeprefix(self._arn_prefix).partition("/")
        if kind == "datacatalog" and self._catalogs.has(name):
            return self._tags.setdefault(arn, {})
        if kind != "workgroup" or name not in self._groups:
            raise ResourceNotFoundException(f"Resource {arn} is not found.", arn)
        return self._tags.setdefault(arn, {})


def _configured(given: dict[str, Any]) -> dict[str, Any]:
    """A configuration with what the API fills in."""
    configuration = {
        "ResultConfiguration": {},
        "EnforceWorkGroupConfiguration": True,
        "PublishCloudWatchMetricsEnabled": True,
        "RequesterPaysEnabled": False,
        "EnableMinimumEncryptionConfiguration": False,
        **given,
    }
    configuration["EngineVersion"] = _engine_version(given.get("EngineVersion") or {})
    _check(configuration)
    return configuration


def _engine_version(given: dict[str, Any]) -> dict[str, str]:
    selected = given.get("SelectedEngineVersion") or "AUTO"
    if selected not in ("AUTO", ENGINE_VERSION):
        raise InvalidRequestException(
            f"The engine version {selected} is not supported: only {ENGINE_VERSION} is"
        )
    return {"SelectedEngineVersion": selected, "EffectiveEngineVersion": ENGINE_VERSION}


def _check(configuration: dict[str, Any]) -> None:
    if (configuration.get("ManagedQueryResultsConfiguration") or {}).get("Enabled"):
        raise InvalidRequestException("Managed query results are not supported by Millpond's Athena")
    limit = configuration.get("BytesScannedCutoffPerQuery")
    if limit is not None and int(limit) < _LEAST_CUTOFF:
        raise InvalidRequestException(f"BytesScannedCutoffPerQuery must be at least {_LEAST_CUTOFF}")
    location = configuration["ResultConfiguration"].get("OutputLocation")
    if location and not re.match(r"s3://[^/]+", location):
        raise InvalidRequestException(f"outputLocation is not a valid S3 path: {location}")


def _updated(configuration: dict[str, Any], updates: dict[str, Any]) -> dict[str, Any]:
    """A configuration after the ``ConfigurationUpdates`` of ``UpdateWorkGroup``."""
    updated = dict(configuration)
    for name, value in updates.items():
        if name == "ResultConfigurationUpdates":
            updated["ResultConfiguration"] = _merged(configuration["ResultConfiguration"], value)
        elif name == "EngineVersion":
            updated[name] = _engine_version(value)
        elif name == "ManagedQueryResultsConfigurationUpdates":
            updated["ManagedQueryResultsConfiguration"] = value
        elif name.startswith("Remove"):
            if value:
                updated.pop(name.removeprefix("Remove"), None)
        else:
            updated[name] = value
    _check(updated)
    return updated


def _merged(result: dict[str, Any], updates: dict[str, Any]) -> dict[str, Any]:
    merged = {**result, **{k: v for k, v in updates.items() if not k.startswith("Remove")}}
    removed = {k.removeprefix("Remove") for k, v in updates.items() if k.startswith("Remove") and v}
    return {name: value for name, value in merged.items() if name not in removed}
