"""What AWS allows of tags, where the API models do not say it.

Source: "Tag naming limits and requirements" in the user guide of AWS's tagging, and the quotas of each
service: at most 50 tags a resource, keys of at most 128 and values of at most 256 characters, each key once,
and none that begins with ``aws:``, which is AWS's own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from millpond.planes.common.constraints import model

MOST, LONGEST_KEY, LONGEST_VALUE = 50, 128, 256
RESERVED = "aws:"


@dataclass(frozen=True)
class Codes:
    """The codes of a service's errors.

    Parameters
    ----------
    invalid : str
        Of a tag that is none.
    many : str
        Of more tags than a resource may have; that of a tag that is none, unless the service has its own.
    says_many, says_reserved : str
        The service's own words for more tags, and for a key that is reserved, where they are known.
    """

    invalid: str
    many: str = ""
    says_many: str = ""
    says_reserved: str = ""


CODES: Mapping[str, Codes] = {
    "athena": Codes("InvalidRequestException"),
    "backup": Codes("InvalidParameterValueException", "LimitExceededException"),
    "cloudformation": Codes("ValidationError"),
    "cloudwatch": Codes("InvalidParameterValue"),
    "codebuild": Codes("InvalidInputException"),
    "codepipeline": Codes("InvalidTagsException", "TooManyTagsException"),
    "dynamodb": Codes("ValidationException"),
    "ec2": Codes(
        "InvalidParameterValue",
        "TagLimitExceeded",
        "The maximum number of Tags for a resource has been reached.",
        "Tag keys starting with 'aws:' are reserved for internal use",
    ),
    "ecr": Codes("InvalidTagParameterException", "TooManyTagsException"),
    "ecs": Codes("InvalidParameterException"),
    "events": Codes("ValidationException"),
    "firehose": Codes("InvalidArgumentException", "LimitExceededException"),
    "glue": Codes("InvalidInputException"),
    "iam": Codes("InvalidInput", "LimitExceeded"),
    "kinesis": Codes("InvalidArgumentException", says_many="A stream has at most 50 tags."),
    "lambda": Codes("InvalidParameterValueException", says_many="Number of tags exceeds resource tag limit."),
    "logs": Codes("InvalidParameterException", "TooManyTagsException"),
    "pipes": Codes("ValidationException"),
    "s3": Codes("InvalidTag", "BadRequest", says_reserved="System tags cannot be added/updated by requester"),
    "scheduler": Codes("ValidationException"),
    "secretsmanager": Codes("InvalidParameterException", "LimitExceededException"),
    "sns": Codes("InvalidParameter", "TagLimitExceeded"),
    "sqs": Codes("InvalidParameterValue"),
    "ssm": Codes("ValidationException", "TooManyTagsError"),
    "stepfunctions": Codes("ValidationException", "TooManyTags"),
}
"""Services whose tags are looked at; KMS has own words for all of it."""

# Operations that look for resources by tags, or take tags away, add none and are not checked.
_NOT_GIVING = re.compile(r"List|Get|Describe|Batch|Search|Filter|Untag|Delete|Remove|Test|Validate")
_NAMES = re.compile(r"tags?(list|map|set|type|toadd)*$|tag(list|map)", re.IGNORECASE)
_KEYS, _VALUES = ("Key", "key", "TagKey"), ("Value", "value", "TagValue")
# Structures of a request in which tags lie.
_AROUND = ("Tagging", "TagSpecifications")


def problem(service: str, operation: str, request: Mapping[str, Any]) -> tuple[str, str] | None:
    """The code and the message of an error, if a request gives tags that no resource can have.

    Parameters
    ----------
    service, operation : str
        As botocore names them.
    request : mapping
        The request.

    Examples
    --------
    >>> problem("sqs", "TagQueue", {"QueueUrl": "q", "Tags": {"aws:a": "b"}})
    ('InvalidParameterValue', "The tag key 'aws:a' begins with 'aws:', which is reserved.")
    """
    codes = CODES.get(service)
    if codes is None or _NOT_GIVING.match(operation):
        return None
    for members in _places(service, operation):
        for value in _values_at(request, members):
            if refusal := _of(codes, _pairs(value)):
                return refusal
    return None


def _of(codes: Codes, pairs: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    if len(pairs) > MOST:
        message = codes.says_many or f"A resource has at most {MOST} tags, and {len(pairs)} were given."
        return codes.many or codes.invalid, message
    if twice := next((key for key, times in Counter(key for key, _ in pairs).items() if times > 1), None):
        return codes.invalid, f"The tag key '{twice}' was given more than once."
    for key, value in pairs:
        if key.lower().startswith(RESERVED):
            reserved = f"The tag key '{key}' begins with '{RESERVED}', which is reserved."
            return codes.invalid, codes.says_reserved or reserved
        if not 0 < len(key) <= LONGEST_KEY:
            return codes.invalid, f"A tag key has 1 to {LONGEST_KEY} characters."
        if len(value) > LONGEST_VALUE:
            return codes.invalid, f"The value of a tag has at most {LONGEST_VALUE} characters."
    return None


@cache
def _places(service: str, operation: str) -> tuple[tuple[str, ...], ...]:
    """Where an operation's request has tags: names of members, the outer one first."""
    shape: Any = model(service).operation_model(operation).input_shape
    return tuple(_within(shape, ())) if shape is not None else ()


def _within(shape: StructureShape, outer: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, member in shape.members.items():
        inner = member.member if isinstance(member, ListShape) else member
        if name in _AROUND and isinstance(inner, StructureShape):
            yield from _within(inner, (*outer, name))
        elif _NAMES.search(name) and (isinstance(member, MapShape) or _is_pair(inner)):
            yield (*outer, name)


def _is_pair(shape: Shape) -> bool:
    return isinstance(shape, StructureShape) and any(key in shape.members for key in _KEYS)


def _values_at(value: Any, members: tuple[str, ...]) -> Iterator[Any]:
    if isinstance(value, list):
        if not members:
            yield value
        for element in value if members else ():
            yield from _values_at(element, members)
    elif not members:
        yield value
    elif isinstance(value, Mapping) and value.get(members[0]) is not None:
        yield from _values_at(value[members[0]], members[1:])


def _pairs(value: Any) -> list[tuple[str, str]]:
    """Keys and values of tags, given as a list or a map; what is neither is refused elsewhere."""
    if isinstance(value, Mapping):
        items: Any = value.items()
    else:
        items = ((_first(tag, _KEYS), _first(tag, _VALUES)) for tag in value if isinstance(tag, Mapping))
    return [(key, text or "") for key, text in items if isinstance(key, str)]


def _first(pair: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((pair[name] for name in names if name in pair), None)
