"""What roles may do, and what they were seen to do: IAM's policies against the calls that an engine recorded.

Source: the Service Authorization Reference, and what each service's guide says of the keys that it asks for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import fault_rules

from millpond.base.config import Settings
from millpond.planes.iam.calls import ACTIONS, PREFIXES
from millpond.planes.iam.wildcards import matches

FREE = {"sts:GetCallerIdentity"}
OPERATORS = ("ArnEquals", "ArnLike", "StringEquals", "StringLike")
ITEMS_OF_A_TRANSACTION = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}
# The engine's Athena, as it works for somebody: AWS's asks with the rights of who runs the query.
ATHENA = ("*app/athena*",)

Call = Mapping[str, Any]


@dataclass(frozen=True, order=True)
class Need:
    """What a call needs a permission for.

    Parameters
    ----------
    action, resource : str
        As a policy would name them.
    context : tuple of (str, str)
        Condition keys that the call has.
    """

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Statement:
    """A statement of a policy."""

    sid: str
    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Statement:
        unread = set(content) - {"Sid", "Effect", "Action", "Resource", "Condition"}
        assert not unread, f"{content.get('Sid')}: nobody here reads {unread}"
        conditions = {
            operator: {key: _texts(values) for key, values in keys.items()}
            for operator, keys in content.get("Condition", {}).items()
        }
        actions, resources = _texts(content["Action"]), _texts(content["Resource"])
        return cls(content.get("Sid", ""), content["Effect"], actions, resources, conditions)

    def speaks_of(self, need: Need) -> bool:
        """Whether action and resource are among the statement's; IAM's actions have no case."""
        return any(matches(one.lower(), need.action.lower()) for one in self.actions) and any(
            matches(one, need.resource) for one in self.resources
        )

    def is_fulfilled(self, need: Need) -> bool:
        """Whether no condition that can be judged says no; IAM's keys have no case."""
        context = {key.lower(): value for key, value in need.context}
        for operator, keys in self.conditions.items():
            for key, values in keys.items():
                if key.lower() not in context:
                    continue
                assert operator in OPERATORS, f"nobody here reads {operator}"
                if not any(matches(value, context[key.lower()]) for value in values):
                    return False
        return True

    def unjudged(self, need: Need) -> set[str]:
        """Condition keys that the call does not tell."""
        told = {key.lower() for key, _ in need.context}
        return {key for keys in self.conditions.values() for key in keys if key.lower() not in told}


@dataclass(frozen=True)
class Role:
    """A role with all that its policies say, and what its boundary leaves of it."""

    name: str
    statements: tuple[Statement, ...]
    boundary: tuple[Statement, ...] | None

    def allows(self, need: Need) -> bool:
        return _allow(self.statements, need) and (self.boundary is None or _allow(self.boundary, need))

    def granted(self) -> set[tuple[str, str]]:
        """Each action with the statement that gives it."""
        return {
            (one.sid, action) for one in self.statements if one.effect == "Allow" for action in one.actions
        }

    def used(self, needs: Iterable[Need]) -> set[tuple[str, str]]:
        """Those of the granted that something needed."""
        return {
            (one.sid, action)
            for need in needs
            for one in self.statements
            if one.effect == "Allow" and one.speaks_of(need) and one.is_fulfilled(need)
            for action in one.actions
            if matches(action.lower(), need.action.lower())
        }


def _allow(statements: Sequence[Statement], need: Need) -> bool:
    speaking = [one for one in statements if one.speaks_of(need) and one.is_fulfilled(need)]
    denied = any(one.effect == "Deny" and not one.unjudged(need) for one in speaking)
    return not denied and any(one.effect == "Allow" for one in speaking)


def _texts(content: Any) -> tuple[str, ...]:
    return (content,) if isinstance(content, str) else tuple(map(str, content))


# -- policies -----------------------------------------------------------------------------------------------


def role(iam: Any, name: str) -> Role:
    """A role with its inline and its managed policies."""
    documents = [
        iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    ]
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    documents += [_managed(iam, one["PolicyArn"]) for one in attached]
    boundary = iam.get_role(RoleName=name)["Role"].get("PermissionsBoundary")
    return Role(
        name,
        tuple(one for document in documents for one in _statements(document)),
        tuple(_statements(_managed(iam, boundary["PermissionsBoundaryArn"]))) if boundary else None,
    )


def _managed(iam: Any, arn: str) -> Mapping[str, Any]:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document: Mapping[str, Any] = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"][
        "Document"
    ]
    return document


def _statements(document: Mapping[str, Any] | str) -> Iterator[Statement]:
    content = json.loads(document) if isinstance(document, str) else document
    return map(Statement.of, content["Statement"])


def admits(policy: str, service: str, need: Need) -> bool:
    """Whether a resource's policy lets a service do something; conditions must be told, and met."""
    statements = [
        Statement.of({name: part for name, part in one.items() if name != "Principal"})
        for one in json.loads(policy)["Statement"]
        if isinstance(one["Principal"], Mapping) and service in _texts(one["Principal"].get("Service", ()))
    ]
    return any(
        one.effect == "Allow" and one.speaks_of(need) and one.is_fulfilled(need) and not one.unjudged(need)
        for one in statements
    )


# -- calls --------------------------------------------------------------------------------------------------


def action_of(call: Call) -> str | None:
    """The permission that a call needs, by its name; None when it needs none."""
    action = f"{PREFIXES.get(call['service'], call['service'])}:{call['operation']}"
    return None if action in FREE else ACTIONS.get(action, action)


@contextmanager
def recorded(endpoint_url: str, callers: Mapping[str, Mapping[str, str]]) -> Iterator[dict[str, list[Call]]]:
    """Write down who calls meanwhile, by name; none is left out.

    Parameters
    ----------
    callers : mapping of str to mapping
        Names, and the ``caller`` and ``userAgent`` that each has.
    """
    calls: dict[str, list[Call]] = {}
    rules = [{**patterns, "action": "record"} for patterns in callers.values()]
    fault_rules.ask(endpoint_url, "PATCH", rules)
    try:
        yield calls
        told = fault_rules.ask(endpoint_url, "GET")
    finally:
        fault_rules.ask(endpoint_url, "DELETE", rules)
    for name, patterns in callers.items():
        [rule] = [
            one
            for one in told
            if one["action"] == "record"
            and patterns == {key: one[key] for key in ("caller", "userAgent") if key in one}
        ]
        assert rule["hits"] == len(rule["recorded"]), f"{name}: only the last calls were kept"
        calls[name] = rule["recorded"]


@contextmanager
def of_builds(settings: Settings) -> Iterator[set[str]]:
    """The permissions, by name, of what the role of the build asks the engine meanwhile."""
    needed: set[str] = set()
    caller = f"arn:aws:sts::{settings.account_id}:assumed-role/millpond-dev-deploy/*"
    with recorded(settings.endpoint_url, {"build": {"caller": caller}}) as calls:
        yield needed
    needed |= {action for call in calls["build"] if (action := action_of(call))}


def not_granted(role: Role, needed: Iterable[str]) -> set[str]:
    """Permissions, by name, that no statement of a role grants."""
    allowed = {action.lower() for _, action in role.granted()}
    return {one for one in needed if not any(matches(pattern, one.lower()) for pattern in allowed)}


@dataclass
class Account:
    """What a call's names stand for in an account."""

    client: Callable[[str], Any]
    account_id: str
    region: str
    key_alias: str
    _found: dict[tuple[str, str], str] = field(default_factory=dict)

    def needs(self, call: Call) -> list[Need]:
        """The permissions that a call needs, with those for the key of what it touches."""
        action = action_of(call)
        if action is None:
            return []
        request, service = call["request"], action.partition(":")[0]
        named: Callable[[str, Mapping[str, Any]], Iterable[Need]] = getattr(self, f"_of_{service}")
        return list(named(action, request))

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"

    @property
    def key(self) -> str:
        return self._look_up(
            "kms", self.key_alias, lambda kms: kms.describe_key(KeyId=self.key_alias)["KeyMetadata"]["Arn"]
        )

    def _with_key(self, *actions: str) -> list[Need]:
        return [Need(f"kms:{action}", self.key) for action in actions]

    def _of_s3(self, action: str, request: Mapping[str, Any]) -> Iterator[Need]:
        bucket = f"arn:aws:s3:::{request['Bucket']}"
        if "CopySource" in request:
            source = unquote(request["CopySource"]).lstrip("/").partition("?")[0]
            yield from self._of_object("s3:GetObject", f"arn:aws:s3:::{source}")
        keys = [one["Key"] for one in request.get("Delete", {}).get("Objects", [])]
        keys += [request["Key"]] if "Key" in request else []
        for key in keys:
            yield from self._of_object(
                action + ("Version" if "VersionId" in request else ""), f"{bucket}/{key}"
            )
        if not keys:
            yield Need(action, bucket)
        for member in ("Tagging", "ACL"):
            if member in request:
                yield Need(
                    {"Tagging": "s3:PutObjectTagging", "ACL": "s3:PutObjectAcl"}[member],
                    f"{bucket}/{keys[0]}",
                )

    def _of_object(self, action: str, arn: str) -> Iterator[Need]:
        yield Need(action, arn)
        if action == "s3:GetObject":
            yield from self._with_key("Decrypt")
        if action == "s3:PutObject":
            # A part is encrypted with the key that the upload got, which has to be decrypted for it.
            yield from self._with_key("GenerateDataKey", "Decrypt")

    def _of_dynamodb(self, action: str, request: Mapping[str, Any]) -> Iterator[Need]:
        yield from self._with_key("Decrypt")
        if "TransactItems" in request:
            for item in request["TransactItems"]:
                for kind, content in item.items():
                    table = self._table(content["TableName"])
                    yield Need(f"dynamodb:{ITEMS_OF_A_TRANSACTION[kind]}", table)
            return
        names = list(request["RequestItems"]) if "RequestItems" in request else [request["TableName"]]
        index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
        for name in names:
            yield Need(action, self._table(name) + index)

    def _table(self, name: str) -> str:
        return name if name.startswith("arn:") else self.arn("dynamodb", f"table/{name}")

    def _of_secretsmanager(self, action: str, request: Mapping[str, Any]) -> Iterator[Need]:
        name = request["SecretId"]
        secret = self._look_up(
            "secretsmanager", name, lambda client: client.describe_secret(SecretId=name)["ARN"]
        )
        yield Need(action, secret)
        if action.endswith("SecretValue"):
            yield from self._with_key("Decrypt")
        if action == "secretsmanager:PutSecretValue":
            yield from self._with_key("GenerateDataKey")

    def _of_ssm(self, action: str, request: Mapping[str, Any]) -> Iterator[Need]:
        for name in request.get("Names", [request.get("Name")]):
            yield Need(action, self.arn("ssm", f"parameter/{name.lstrip('/')}"))

    def _of_glue(self, action: str, request: Mapping[str, Any]) -> Iterator[Need]:
        operation = action.partition(":")[2]
        if "Connection" in operation:
            resources = ["catalog", f"connection/{request['Name']}"]
        elif "JobName" in request:
            resources = [f"job/{request['JobName']}"]
        elif operation.startswith(("GetDatabase", "CreateDatabase")):
            resources = ["catalog", f"database/{request.get('Name', '*')}"]
        else:
            database = request["DatabaseName"]
            table = (
                request.get("TableInput", {}).get("Name") or request.get("TableName") or request.get("Name")
            )
            resources = ["catalog", f"database/{database}", f"table/{database}/{table or '*'}"]
        for resource in resources:
            yield Need(action, self.arn("glue", resource))

    def _of_athena(self, action: str, request: Mapping[str, Any]) -> Iterator[Need]:
        query = request.get("QueryExecutionId")
        workgroup = request.get("WorkGroup") or self._look_up(
            "athena",
            query,
            lambda athena: athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["WorkGroup"],
        )
        yield Need(action, self.arn("athena", f"workgroup/{workgroup}"))
        location = self._look_up(
            "athena",
            f"results of {workgroup}",
            lambda athena: athena.get_work_group(WorkGroup=workgroup)["WorkGroup"]["Configuration"][
                "ResultConfiguration"
            ]["OutputLocation"],
        )
        bucket = f"arn:aws:s3:::{location.removeprefix('s3://').partition('/')[0]}"
        if action == "athena:StartQueryExecution":
            yield Need("s3:GetBucketLocation", bucket)
            yield from self._of_object("s3:PutObject", f"{bucket}/results")
        if action == "athena:GetQueryResults":
            yield from self._of_object("s3:GetObject", f"{bucket}/results")

    def _of_sns(self, action: str, request: Mapping[str, Any]) -> Iterator[Need]:
        yield Need(action, request["TopicArn"])
        yield from self._with_key("GenerateDataKey", "Decrypt")

    def _of_lambda(self, action: str, request: Mapping[str, Any]) -> Iterator[Need]:
        name = request["FunctionName"].removesuffix(":$LATEST")
        yield Need(action, name if name.startswith("arn:") else self.arn("lambda", f"function:{name}"))

    def _of_events(self, action: str, request: Mapping[str, Any]) -> Iterator[Need]:
        yield Need(action, self.arn("events", f"rule/{request['Name']}"))

    def _of_states(self, action: str, request: Mapping[str, Any]) -> Iterator[Need]:
        yield Need(action, request["stateMachineArn"])

    def _of_cloudwatch(self, action: str, request: Mapping[str, Any]) -> Iterator[Need]:
        yield Need(action, "*", (("cloudwatch:namespace", request["Namespace"]),))

    def _of_logs(self, action: str, request: Mapping[str, Any]) -> Iterator[Need]:
        stream = request.get("logStreamName", "")
        yield Need(action, self.arn("logs", f"log-group:{request['logGroupName']}:log-stream:{stream}"))

    def _look_up(self, service: str, name: str, ask: Callable[[Any], str]) -> str:
        if (service, name) not in self._found:
            self._found[service, name] = ask(self.client(service))
        return self._found[service, name]
