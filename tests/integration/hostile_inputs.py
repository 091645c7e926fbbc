"""Requests that nobody means, made by the models of the services: wrong types, edges, and odd texts.

They are sent as they are, past every client's own checks, and each answer is held against what AWS's answers
have in common: a status that is not the server's fault, and a text with nothing of its insides.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.session import Session
from hostile_wire import Wire, on_wire
from hypothesis import strategies as st

PLANES = ("athena", "codebuild", "firehose", "glue", "kinesis", "pipes", "scheduler")
SERVICES = (
    *PLANES,
    "cloudformation", "cloudwatch", "dynamodb", "dynamodbstreams", "ec2", "events", "iam", "lambda", "logs",
    "s3", "secretsmanager", "stepfunctions",
    "backup", "budgets", "cloudtrail", "codepipeline", "ecr", "ecs", "lakeformation",
    "kms", "sns", "sqs", "ssm", "sts",
)  # fmt: skip
"""Services that planes answer, that are patched, that are kept without effect, and that every stack uses."""
_STUMBLED = "(with these values)"
"""In a refusal of what LocalStack or moto did not expect, which no plane leaves to them."""

_DEEPEST = 4
_INSIDES = re.compile(
    r"Traceback|site-packages|\.py\b|/(?:work|tmp|home|root|usr|var/lib)/|has no attribute|NoneType"
    r"|not iterable"
    r"|not subscriptable|unhashable|exception while calling|positional argument|keyword argument|KeyError"
    r"|ValueError|TypeError|AttributeError|index out of range|object is not|must be str|codec can't"
    r"|JSON serializable|maximum recursion|An unknown error occurred",
    re.IGNORECASE,
)
_TEXTS = st.sampled_from(
    [
        "", "a", "b", "5", "*", "..", "../../etc/passwd", "/etc/passwd", "s3://a/b", "s3://a", "s3://",
        "\x00", "\ud800", "ä" * 300, "a" * 5000, "'; DROP TABLE a; --", "{}", "[", "$.a", "(a|aa)+$", "%s%n",
        "${a}", "2024-01-01", "rate(0 minutes)", "cron(a)", "arn:aws:iam::000000000000:role/a",
        "arn:::::", "arn:aws:states:us-east-1:000000000000:stateMachine:a", "NaN", "SELECT 1",
        "None", "true", "dGVzdA==",
    ]
)  # fmt: skip
_NUMBERS = st.sampled_from([-1, 0, 1, 2, 10, 1001, 2**31, -(2**63), 2**64, 10**30])
_WRONG = st.sampled_from(
    [None, True, 5, -1.5, "a", "", [], {}, [None], [[]], {"": None}, {"a": {"a": []}}, [1, "a"]]
)


@dataclass(frozen=True)
class Hostile:
    """A request: the service, its operation, and the bytes of its body."""

    service: str
    operation: str
    body: bytes

    def __str__(self) -> str:
        return f"{self.service} {self.operation} {self.body[:300]!r}"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    service: str
    status: int
    text: str

    @property
    def fault(self) -> str:
        """What of it AWS would not say; empty if it is well."""
        if self.status >= 500:
            return f"HTTP {self.status}"
        if self.service in PLANES and _STUMBLED in self.text:
            return "left to others"
        found = _INSIDES.search(self.text) if self.status >= 400 else None
        return f"says {found.group()}" if found else ""


@cache
def _model(service: str) -> Any:
    return Session().get_service_model(service)


def requests(services: Sequence[str]) -> st.SearchStrategy[Hostile]:
    """Requests of any operation of some services."""
    return st.sampled_from(services).flatmap(
        lambda service: st.sampled_from(_model(service).operation_names).flatmap(
            lambda operation: _bodies(_model(service).operation_model(operation)).map(
                lambda body: Hostile(service, operation, body)
            )
        )
    )


def _bodies(operation: OperationModel) -> st.SearchStrategy[bytes]:
    shape = operation.input_shape
    made = _values(shape, 0) if shape is not None else st.just({})
    malformed = st.sampled_from(
        [b"", b"{", b"[]", b"5", b'"a"', b"null", b"\xff\xfe", b"{" * 3000, b"[" * 60000]
    )
    return st.one_of(*[made.map(_encoded)] * 12, malformed)


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def _values(shape: Shape, depth: int) -> st.SearchStrategy[Any]:
    """Mostly values of a shape, and sometimes others."""
    return st.integers(0, 14).flatmap(lambda chance: _WRONG if chance == 0 else _right(shape, depth))


def _right(shape: Shape, depth: int) -> st.SearchStrategy[Any]:
    if isinstance(shape, StructureShape):
        return _structures(shape, depth)
    if isinstance(shape, ListShape):
        return st.lists(_values(shape.member, depth + 1), max_size=2 if depth < _DEEPEST else 0)
    if isinstance(shape, MapShape):
        return st.dictionaries(_TEXTS, _values(shape.value, depth + 1), max_size=2 if depth < _DEEPEST else 0)
    match shape.type_name:
        case "string":
            enum: list[str] = getattr(shape, "enum", [])
            return st.one_of(st.sampled_from(enum), _TEXTS) if enum else _TEXTS
        case "boolean":
            return st.booleans()
        case "blob":
            return st.one_of(_TEXTS, st.binary(max_size=40).map(lambda raw: base64.b64encode(raw).decode()))
        case _:
            return _NUMBERS


def _structures(shape: StructureShape, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    members = {name: member for name, member in shape.members.items() if depth < _DEEPEST}
    required = {
        name: _values(one, depth + 1) for name, one in members.items() if name in shape.required_members
    }
    optional = {name: _values(one, depth + 1) for name, one in members.items() if name not in required}

    def chosen(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries({**required, **{name: optional[name] for name in names}})

    names = st.lists(st.sampled_from(sorted(optional)), max_size=3, unique=True) if optional else st.just([])
    return st.one_of(*[names.flatmap(chosen)] * 9, st.just({}))


class Sender:
    """Sends requests to an engine as a client of AWS would, without looking at them.

    Parameters
    ----------
    endpoint_url : str
        Of the engine.
    """

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        self._http = urllib3.PoolManager(maxsize=4, retries=False)

    def signed(self, one: Hostile) -> Wire:
        """A request on the wire with the signature of a client."""
        model = _model(one.service)
        wire = on_wire(model, one.operation, one.body)
        url = self._endpoint_url + wire.path
        request = AWSRequest(wire.method, url, headers=dict(wire.headers), data=wire.body)
        SigV4Auth(Credentials("test", "test"), model.signing_name, "us-east-1").add_auth(request)
        return replace(wire, headers=dict(request.headers.items()))

    def send(self, one: Hostile) -> Answer:
        wire = self.signed(one)
        url = self._endpoint_url + wire.path
        # All instance types of EC2 are 5 MB, which take moto 3 seconds on an idle machine.
        answer = self._http.request(wire.method, url, body=wire.body, headers=wire.headers, timeout=60.0)
        return Answer(one.service, answer.status, answer.data.decode(errors="replace"))
