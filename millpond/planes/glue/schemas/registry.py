"""Operations of the schema registry."""

from __future__ import annotations

import difflib
import json
import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from millpond.planes.common.context import PlaneContext
from millpond.planes.glue.exceptions import (
    AlreadyExistsException,
    EntityNotFoundException,
    InvalidInputException,
    ResourceNumberLimitExceededException,
)
from millpond.planes.glue.paging import page
from millpond.planes.glue.requests import Request, Shape, now
from millpond.planes.glue.schemas import compatibility
from millpond.planes.glue.tags import Tags

DEFAULT = "default-registry"
_FORMATS = ("AVRO", "JSON", "PROTOBUF")
_MODES = ("NONE", "DISABLED", "BACKWARD", "BACKWARD_ALL", "FORWARD", "FORWARD_ALL", "FULL", "FULL_ALL")
_NAME = re.compile(r"[a-zA-Z0-9$_#.-]+")
_ARN = re.compile(r"arn:aws[\w-]*:glue:[^:]*:\d{12}:(?:registry|schema)/[\w$#./-]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_METADATA = re.compile(r"[\w+\-=.:/@ ]{1,256}")
_MOST_REGISTRIES, _MOST_METADATA, _MOST_TAGS = 10, 10, 50
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass
class Version:
    """A version of a schema."""

    id: str
    number: int
    definition: str
    status: str
    created: str
    metadata: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


@dataclass
class Schema:
    """A schema: its structure, and its versions by number."""

    shape: Shape
    versions: dict[int, Version] = field(default_factory=dict)


@dataclass
class RegistryState:
    """What is kept: registries by name, and schemas by registry and name."""

    KEPT: ClassVar[tuple[str, ...]] = ("registries", "schemas")

    registries: dict[str, Shape] = field(default_factory=dict)
    schemas: dict[tuple[str, str], Schema] = field(default_factory=dict)


class SchemaRegistry:
    """Operations of registries, schemas and their versions.

    Parameters
    ----------
    context : PlaneContext
        Whose.
    tags : Tags
        Theirs.
    """

    OPERATIONS = (
        "CheckSchemaVersionValidity",
        "CreateRegistry",
        "CreateSchema",
        "DeleteRegistry",
        "DeleteSchema",
        "DeleteSchemaVersions",
        "GetRegistry",
        "GetSchema",
        "GetSchemaByDefinition",
        "GetSchemaVersion",
        "GetSchemaVersionsDiff",
        "ListRegistries",
        "ListSchemas",
        "ListSchemaVersions",
        "PutSchemaVersionMetadata",
        "QuerySchemaVersionMetadata",
        "RegisterSchemaVersion",
        "RemoveSchemaVersionMetadata",
        "UpdateRegistry",
        "UpdateSchema",
    )
    KEPT = ("state",)

    def __init__(self, context: PlaneContext, tags: Tags) -> None:
        self._context = context
        self._tags = tags
        self._lock = threading.RLock()
        self.state = RegistryState()

    # Registries

    def create_registry(self, request: Request) -> Shape:
        name = _checked_name("registryName", request.get("RegistryName") or "")
        description, tags = request.get("Description") or "", request.get("Tags") or {}
        if len(description) > 2048:
            raise _too_long("description")
        _check_tags(request)
        with self._lock:
            if len(self.state.registries) >= _MOST_REGISTRIES:
                raise ResourceNumberLimitExceededException(
                    "More registries cannot be created. The maximum limit has been reached."
                )
            if name in self.state.registries:
                raise AlreadyExistsException(f"Registry already exists. RegistryName: {name}")
            shape = self._new_registry(name, description, tags)
        return {**_without_times(shape), "Tags": tags}

    def get_registry(self, request: Request) -> Shape:
        with self._lock:
            return dict(self._registry(request.get("RegistryId")))

    def list_registries(self, request: Request) -> Shape:
        with self._lock:
            some, token = page(
                [self.state.registries[name] for name in sorted(self.state.registries)], request
            )
        return {"Registries": some, **token}

    def update_registry(self, request: Request) -> Shape:
        with self._lock:
            shape = self._registry(request.get("RegistryId"))
            shape.update({"Description": request.get("Description") or "", "UpdatedTime": _iso()})
        return {"RegistryName": shape["RegistryName"], "RegistryArn": shape["RegistryArn"]}

    def delete_registry(self, request: Request) -> Shape:
        """Delete a registry with its schemas."""
        with self._lock:
            shape = self._registry(request.get("RegistryId"))
            name = shape["RegistryName"]
            for key in [key for key in self.state.schemas if key[0] == name]:
                del self.state.schemas[key]
                self._tags.forget("schema", "/".join(key))
            del self.state.registries[name]
            self._tags.forget("registry", name)
        return {"RegistryName": name, "RegistryArn": shape["RegistryArn"], "Status": "DELETING"}

    # Schemas

    def create_schema(self, request: Request) -> Shape:
        name = _checked_name("schemaName", request.get("SchemaName") or "")
        data_format, mode = request.get("DataFormat"), request.get("Compatibility") or "BACKWARD"
        if data_format not in _FORMATS:
            raise InvalidInputException("Data format is not valid.")
        if mode not in _MODES:
            raise InvalidInputException("Compatibility is not valid.")
        _check_tags(request)
        definition = request.get("SchemaDefinition") or ""
        _parsed(data_format, definition)
        with self._lock:
            registry = self._registry(request.get("RegistryId"), makes_default=True)
            key = registry["RegistryName"], name
            if key in self.state.schemas:
                raise AlreadyExistsException(f"Schema already exists. SchemaName: {name}")
            schema = Schema(self._new_shape(registry, name, data_format, mode, request))
            self.state.schemas[key] = schema
            version = _add(schema, definition, "AVAILABLE")
            self._tags.create("schema", "/".join(key), request.get("Tags"))
        return {
            **_without_times(schema.shape),
            "SchemaVersionId": version.id,
            "SchemaVersionStatus": version.status,
            "Tags": dict(request.get("Tags") or {}),
        }

    def get_schema(self, request: Request) -> Shape:
        with self._lock:
            return dict(self._schema(request.get("SchemaId")).shape)

    def list_schemas(self, request: Request) -> Shape:
        with self._lock:
            wanted = (
                self._registry(request["RegistryId"])["RegistryName"] if request.get("RegistryId") else None
            )
            schemas = [
                one.shape for key, one in sorted(self.state.schemas.items()) if wanted in (None, key[0])
            ]
        members = (
            "RegistryName",
            "SchemaName",
            "SchemaArn",
            "Description",
            "SchemaStatus",
            "CreatedTime",
            "UpdatedTime",
        )
        some, token = page([{key: one[key] for key in members if key in one} for one in schemas], request)
        return {"Schemas": some, **token}

    def update_schema(self, request: Request) -> Shape:
        mode = request.get("Compatibility")
        if mode is not None and mode not in _MODES:
            raise InvalidInputException("Compatibility is not valid.")
        with self._lock:
            schema = self._schema(request.get("SchemaId"))
            changes: Shape = {"UpdatedTime": _iso()}
            if request.get("SchemaVersionNumber"):
                changes["SchemaCheckpoint"] = self._numbered(schema, request).number
            elif mode:
                changes["SchemaCheckpoint"] = schema.shape["LatestSchemaVersion"]
            if mode:
                changes["Compatibility"] = mode
            if request.get("Description") is not None:
                changes["Description"] = request["Description"]
            schema.shape.update(changes)
        return {key: schema.shape[key] for key in ("SchemaArn", "SchemaName", "RegistryName")}

    def delete_schema(self, request: Request) -> Shape:
        with self._lock:
            schema = self._schema(request.get("SchemaId"))
            key = schema.shape["RegistryName"], schema.shape["SchemaName"]
            del self.state.schemas[key]
            self._tags.forget("schema", "/".join(key))
        return {"SchemaArn": schema.shape["SchemaArn"], "SchemaName": key[1], "Status": "DELETING"}

    # Versions

    def register_schema_version(self, request: Request) -> Shape:
        """Add a version; one that does not fit the others as the schema's mode says is a FAILURE."""
        definition = request.get("SchemaDefinition") or ""
        with self._lock:
            schema = self._schema(request.get("SchemaId"))
            shape = schema.shape
            if shape["Compatibility"] == "DISABLED":
                raise _versioning_disabled(request["SchemaId"])
            new = _parsed(shape["DataFormat"], definition)
            text = compatibility.canonical(shape["DataFormat"], definition)
            version = next(
                (
                    one
                    for one in schema.versions.values()
                    if one.status != "FAILURE"
                    and compatibility.canonical(shape["DataFormat"], one.definition) == text
                ),
                None,
            )
            if version is None:
                olds = [
                    _parsed(shape["DataFormat"], one.definition)
                    for one in reversed(schema.versions.values())
                    if one.status == "AVAILABLE"
                    and (
                        one.number >= shape["SchemaCheckpoint"] or not shape["Compatibility"].endswith("_ALL")
                    )
                ]
                reasons = compatibility.incompatible(shape["Compatibility"], shape["DataFormat"], new, olds)
                version = _add(schema, definition, "FAILURE" if reasons else "AVAILABLE")
        return {"SchemaVersionId": version.id, "VersionNumber": version.number, "Status": version.status}

    def check_schema_version_validity(self, request: Request) -> Shape:
        data_format = request.get("DataFormat") or ""
        if data_format not in _FORMATS:
            raise InvalidInputException("Data format is not valid.")
        try:
            compatibility.parse(data_format, request.get("SchemaDefinition") or "")
        except (ValueError, KeyError, TypeError, IndexError) as error:
            return {
                "Valid": False,
                "Error": f"Schema definition of {data_format} data format is invalid: {error}",
            }
        return {"Valid": True}

    def get_schema_version(self, request: Request) -> Shape:
        with self._lock:
            schema, version = self._version(request)
            return {
                "SchemaVersionId": version.id,
                "SchemaDefinition": version.definition,
                "DataFormat": schema.shape["DataFormat"],
                "SchemaArn": schema.shape["SchemaArn"],
                "VersionNumber": version.number,
                "Status": version.status,
                "CreatedTime": version.created,
            }

    def get_schema_by_definition(self, request: Request) -> Shape:
        with self._lock:
            asked = request.get("SchemaId") or {}
            schema = self._schema(asked)
            data_format = schema.shape["DataFormat"]
            try:
                text = compatibility.canonical(data_format, request.get("SchemaDefinition") or "")
            except ValueError as error:
                raise _schema_missing(asked) from error
            for version in schema.versions.values():
                if compatibility.canonical(data_format, version.definition) == text:
                    return {
                        "SchemaVersionId": version.id,
                        "SchemaArn": schema.shape["SchemaArn"],
                        "DataFormat": data_format,
                        "Status": version.status,
                        "CreatedTime": version.created,
                    }
        raise _schema_missing(asked)

    def list_schema_versions(self, request: Request) -> Shape:
        with self._lock:
            schema = self._schema(request.get("SchemaId"))
            shown = [
                {
                    "SchemaArn": schema.shape["SchemaArn"],
                    "SchemaVersionId": one.id,
                    "VersionNumber": one.number,
                    "Status": one.status,
                    "CreatedTime": one.created,
                }
                for one in reversed(schema.versions.values())
            ]
        some, token = page(shown, request)
        return {"Schemas": some, **token}

    def delete_schema_versions(self, request: Request) -> Shape:
        """Delete versions by numbers and ranges such as ``2,4-5``; never the checkpoint."""
        with self._lock:
            schema = self._schema(request.get("SchemaId"))
            errors = []
            for number in _ranges(request.get("Versions") or ""):
                if number in schema.versions and number != schema.shape["SchemaCheckpoint"]:
                    del schema.versions[number]
                    continue
                is_there = number in schema.versions
                code = "InvalidInputException" if is_there else "EntityNotFoundException"
                text = "is the checkpoint" if is_there else "is not found"
                detail = {"ErrorCode": code, "ErrorMessage": f"Schema version {number} {text}."}
                errors.append({"VersionNumber": number, "ErrorDetails": detail})
            schema.shape["LatestSchemaVersion"] = max(schema.versions)
        return {"SchemaVersionErrors": errors}

    def get_schema_versions_diff(self, request: Request) -> Shape:
        with self._lock:
            schema = self._schema(request.get("SchemaId"))
            first, second = (
                self._pretty(schema, request, member)
                for member in ("FirstSchemaVersionNumber", "SecondSchemaVersionNumber")
            )
        return {"Diff": "\n".join(difflib.unified_diff(first, second, lineterm=""))}

    def _pretty(self, schema: Schema, request: Request, member: str) -> list[str]:
        asked = {"SchemaId": request.get("SchemaId"), "SchemaVersionNumber": request.get(member)}
        return _pretty(schema.shape["DataFormat"], self._numbered(schema, asked).definition)

    # Metadata

    def put_schema_version_metadata(self, request: Request) -> Shape:
        key, value = _key_value(request)
        with self._lock:
            schema, version = self._version(request)
            values = version.metadata.get(key, [])
            if value in [one for one, _ in values]:
                raise AlreadyExistsException(
                    f"Resource already exist for schema version id: {version.id}, metadata key: {key}, "
                    f"metadata value: {value}"
                )
            if sum(len(one) for one in version.metadata.values()) >= _MOST_METADATA:
                raise ResourceNumberLimitExceededException(
                    "Your resource limits for Schema Version Metadata have been exceeded."
                )
            version.metadata[key] = [(value, _iso()), *values]
            return self._metadata_answer(request, schema, version, key, value)

    def remove_schema_version_metadata(self, request: Request) -> Shape:
        key, value = _key_value(request)
        with self._lock:
            schema, version = self._version(request)
            values = version.metadata.get(key, [])
            left = [one for one in values if one[0] != value]
            if len(left) == len(values):
                raise EntityNotFoundException(f"Metadata is not found. Key: {key}, Value: {value}")
            version.metadata[key] = left
            if not left:
                del version.metadata[key]
            return self._metadata_answer(request, schema, version, key, value)

    def query_schema_version_metadata(self, request: Request) -> Shape:
        wanted = [(one["MetadataKey"], one.get("MetadataValue")) for one in request.get("MetadataList") or []]
        with self._lock:
            _, version = self._version(request)
            found: dict[str, Shape] = {}
            for key, values in version.metadata.items():
                fitting = [
                    (value, made)
                    for value, made in values
                    if not wanted or any(key == name and one in (None, value) for name, one in wanted)
                ]
                if fitting:
                    (value, made), *others = fitting
                    found[key] = {"MetadataValue": value, "CreatedTime": made}
                    if others:
                        found[key]["OtherMetadataValueList"] = [
                            {"MetadataValue": other, "CreatedTime": when} for other, when in others
                        ]
        return {"MetadataInfoMap": found, "SchemaVersionId": version.id}

    # Looking up; the lock is held

    def _new_registry(self, name: str, description: str, tags: Mapping[str, str]) -> Shape:
        made = _iso()
        self.state.registries[name] = {
            "RegistryName": name,
            "RegistryArn": self._context.arn("glue", f"registry/{name}"),
            "Description": description,
            "Status": "AVAILABLE",
            "CreatedTime": made,
            "UpdatedTime": made,
        }
        self._tags.create("registry", name, tags)
        return self.state.registries[name]

    def _new_shape(self, registry: Shape, name: str, data_format: str, mode: str, request: Request) -> Shape:
        made = _iso()
        return {
            "RegistryName": registry["RegistryName"],
            "RegistryArn": registry["RegistryArn"],
            "SchemaName": name,
            "SchemaArn": self._context.arn("glue", f"schema/{registry['RegistryName']}/{name}"),
            "Description": request.get("Description") or "",
            "DataFormat": data_format,
            "Compatibility": mode,
            "SchemaCheckpoint": 1,
            "LatestSchemaVersion": 1,
            "NextSchemaVersion": 2,
            "SchemaStatus": "AVAILABLE",
            "CreatedTime": made,
            "UpdatedTime": made,
        }

    def _registry(self, asked: Mapping[str, Any] | None, *, makes_default: bool = False) -> Shape:
        name, arn = (asked or {}).get("RegistryName"), (asked or {}).get("RegistryArn")
        if name and arn:
            raise InvalidInputException(
                "One of registryName or registryArn has to be provided, both cannot be provided."
            )
        if arn and not _ARN.fullmatch(arn):
            raise _bad_characters("registryArn")
        wanted = name or (arn.rpartition("/")[2] if arn else DEFAULT)
        if wanted not in self.state.registries:
            if wanted == DEFAULT and makes_default:
                return self._new_registry(DEFAULT, "", {})
            shown = f"RegistryName: {name or 'null'}, RegistryArn: {arn or 'null'}"
            raise EntityNotFoundException(f"Registry is not found. {shown}")
        return self.state.registries[wanted]

    def _schema(self, asked: Mapping[str, Any] | None) -> Schema:
        given = asked or {}
        arn, name, registry = (given.get(key) for key in ("SchemaArn", "SchemaName", "RegistryName"))
        if arn and (name or registry):
            raise InvalidInputException(
                "One of (registryName and schemaName) or schemaArn has to be provided, "
                "both cannot be provided."
            )
        if not arn and not name:
            raise InvalidInputException(
                "At least one of (registryName and schemaName) or schemaArn has to be provided."
            )
        if arn and not _ARN.fullmatch(arn):
            raise _bad_characters("schemaArn")
        key = tuple(arn.split("/")[1:3]) if arn else (registry or DEFAULT, name)
        if key not in self.state.schemas:
            raise _schema_missing(given)
        return self.state.schemas[key]

    def _version(self, request: Request) -> tuple[Schema, Version]:
        version_id = request.get("SchemaVersionId")
        if not version_id:
            schema = self._schema(request.get("SchemaId"))
            return schema, self._numbered(schema, request)
        if request.get("SchemaId") or request.get("SchemaVersionNumber"):
            raise InvalidInputException(
                "No other input parameters can be specified when fetching by SchemaVersionId."
            )
        if not _UUID.fullmatch(version_id):
            raise _bad_characters("SchemaVersionId")
        for schema in self.state.schemas.values():
            for version in schema.versions.values():
                if version.id == version_id:
                    return schema, version
        raise EntityNotFoundException(f"Schema version is not found. SchemaVersionId: {version_id}")

    def _numbered(self, schema: Schema, request: Request) -> Version:
        asked = request.get("SchemaVersionNumber") or {}
        number, latest = asked.get("VersionNumber"), asked.get("LatestVersion")
        if number is None and not latest:
            raise InvalidInputException("One of version number (or) latest version is required.")
        if number is not None and latest:
            raise InvalidInputException("Only one of VersionNumber or LatestVersion is required.")
        wanted = schema.shape["LatestSchemaVersion"] if latest else number
        if wanted not in schema.versions:
            given = request.get("SchemaId") or {}
            raise EntityNotFoundException(
                f"Schema version is not found. {_shown_id(given)}, VersionNumber: {number or 'null'}, "
                f"isLatestVersion: {'true' if latest else 'false'}"
            )
        return schema.versions[wanted]

    def _metadata_answer(
        self, request: Request, schema: Schema, version: Version, key: str, value: str
    ) -> Shape:
        return {
            "SchemaArn": schema.shape["SchemaArn"],
            "SchemaName": schema.shape["SchemaName"],
            "RegistryName": schema.shape["RegistryName"],
            "LatestVersion": bool((request.get("SchemaVersionNumber") or {}).get("LatestVersion")),
            "VersionNumber": version.number,
            "SchemaVersionId": version.id,
            "MetadataKey": key,
            "MetadataValue": value,
        }


def _add(schema: Schema, definition: str, status: str) -> Version:
    number = schema.shape["NextSchemaVersion"] if schema.versions else 1
    version = Version(str(uuid.uuid4()), number, definition, status, _iso())
    schema.versions[number] = version
    schema.shape.update(
        {
            "NextSchemaVersion": number + 1,
            "LatestSchemaVersion": number if status == "AVAILABLE" else schema.shape["LatestSchemaVersion"],
        }
    )
    return version


def _iso() -> str:
    return now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _without_times(shape: Shape) -> Shape:
    return {key: value for key, value in shape.items() if key not in ("CreatedTime", "UpdatedTime", "Status")}


def _parsed(data_format: str, definition: str) -> Any:
    try:
        return compatibility.parse(data_format, definition)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InvalidInputException(
            f"Schema definition of {data_format} data format is invalid: {error}"
        ) from error


def _pretty(data_format: str, definition: str) -> list[str]:
    if data_format == "PROTOBUF":
        return definition.splitlines()
    return json.dumps(json.loads(definition), indent=2).splitlines()


def _ranges(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise InvalidInputException(f"The versions {text} are no numbers and ranges")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return found


def _key_value(request: Request) -> tuple[str, str]:
    given = request.get("MetadataKeyValue") or {}
    for member, name in (("MetadataKey", "key"), ("MetadataValue", "value")):
        if not _METADATA.fullmatch(given.get(member) or ""):
            raise _bad_characters(name)
    return given["MetadataKey"], given["MetadataValue"]


def _check_tags(request: Request) -> None:
    tags = request.get("Tags")
    if tags is not None and (not tags or len(tags) > _MOST_TAGS):
        raise InvalidInputException("New Tags cannot be empty or more than 50")


def _checked_name(parameter: str, name: str) -> str:
    if not 1 <= len(name) <= 255:
        raise _too_long(parameter)
    if not _NAME.fullmatch(name):
        raise _bad_characters(parameter)
    return name


def _too_long(parameter: str) -> InvalidInputException:
    return InvalidInputException(
        f"The resource name contains too many or too few characters. Parameter Name: {parameter}"
    )


def _bad_characters(parameter: str) -> InvalidInputException:
    return InvalidInputException(
        f"The parameter value contains one or more characters that are not valid. Parameter Name: {parameter}"
    )


def _versioning_disabled(given: Mapping[str, Any]) -> InvalidInputException:
    members = ("schemaArn", "SchemaArn"), ("schemaName", "SchemaName"), ("registryName", "RegistryName")
    shown = ", ".join(f"{name}={given.get(member) or 'null'}" for name, member in members)
    return InvalidInputException(
        f"Compatibility DISABLED does not allow versioning. SchemaId: SchemaId({shown})"
    )


def _shown_id(given: Mapping[str, Any]) -> str:
    members = ("RegistryName", "SchemaName", "SchemaArn")
    return ", ".join(f"{member}: {given.get(member) or 'null'}" for member in members)


def _schema_missing(given: Mapping[str, Any]) -> EntityNotFoundException:
    return EntityNotFoundException(f"Schema is not found. {_shown_id(given)}")
