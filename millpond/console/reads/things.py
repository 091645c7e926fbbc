"""What an ARN is about, as the pages name it, and where it is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlencode


@dataclass(frozen=True, order=True)
class Thing:
    """Something that a platform is made of.

    Parameters
    ----------
    kind : str
        ``job``, ``function``, ``table``, ``folder`` …
    name : str
        By which its service knows it; of a table with its database, of a folder with its bucket.
    """

    kind: str
    name: str

    @property
    def link(self) -> str:
        """The address of the page that shows most of it; empty where there is none."""
        made = _LINKS.get(self.kind)
        return made(self.name) if made else ""


# The first that fits; the named groups make the name, joined by a dot.
_FORMS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (r"arn:[^:]+:glue:[^:]*:[^:]*:job/(.+)", "job"),
        (r"arn:[^:]+:glue:[^:]*:[^:]*:crawler/(.+)", "crawler"),
        (r"arn:[^:]+:glue:[^:]*:[^:]*:trigger/(.+)", "trigger"),
        (r"arn:[^:]+:glue:[^:]*:[^:]*:workflow/(.+)", "workflow"),
        (r"arn:[^:]+:glue:[^:]*:[^:]*:connection/(.+)", "connection"),
        (r"arn:[^:]+:glue:[^:]*:[^:]*:table/([^/]+)/(.+)", "table"),
        (r"arn:[^:]+:lambda:[^:]*:[^:]*:function:([^:]+)(?::.*)?", "function"),
        (r"arn:[^:]+:states:[^:]*:[^:]*:(?:stateMachine|execution|express):([^:]+)(?::.*)?", "state machine"),
        (r"arn:[^:]+:s3:::([^/]+/.*)", "folder"),
        (r"arn:[^:]+:s3:::([^/]+)", "bucket"),
        (r"arn:[^:]+:sqs:[^:]*:[^:]*:(.+)", "queue"),
        (r"arn:[^:]+:sns:[^:]*:[^:]*:([^:]+)(?::.*)?", "topic"),
        (r"arn:[^:]+:dynamodb:[^:]*:[^:]*:table/([^/]+)(?:/.*)?", "items"),
        (r"arn:[^:]+:kinesis:[^:]*:[^:]*:stream/([^/]+)(?:/.*)?", "stream"),
        (r"arn:[^:]+:firehose:[^:]*:[^:]*:deliverystream/(.+)", "delivery stream"),
        (r"arn:[^:]+:events:[^:]*:[^:]*:event-bus/(.+)", "event bus"),
        (r"arn:[^:]+:events:[^:]*:[^:]*:rule/(.+)", "rule"),
        (r"arn:[^:]+:scheduler:[^:]*:[^:]*:schedule/(.+)", "schedule"),
        (r"arn:[^:]+:pipes:[^:]*:[^:]*:pipe/(.+)", "pipe"),
        (r"arn:[^:]+:codebuild:[^:]*:[^:]*:project/(.+)", "project"),
        (r"arn:[^:]+:athena:[^:]*:[^:]*:workgroup/(.+)", "workgroup"),
        (r"arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:(.+?)(?:-[A-Za-z0-9]{6})?", "secret"),
        (r"arn:[^:]+:ssm:[^:]*:[^:]*:parameter(/.+)", "parameter"),
        (r"arn:[^:]+:iam::[^:]*:role/(?:.*/)?([^/]+)", "role"),
        (r"arn:[^:]+:iam::[^:]*:user/(?:.*/)?([^/]+)", "user"),
        (r"arn:[^:]+:iam::([^:]*):root", "account"),
        (r"([a-z0-9-]+\.amazonaws\.com)", "service"),
    )
)


@lru_cache(maxsize=50_000)
def thing_of(arn: str) -> Thing | None:
    """What an ARN is about; None for what the pages do not know.

    >>> thing_of("arn:aws:glue:eu-west-1:1:table/shop/orders")
    Thing(kind='table', name='shop.orders')
    """
    for pattern, kind in _FORMS:
        if found := pattern.fullmatch(arn):
            return Thing(kind, ".".join(found.groups()))
    return None


def _runs(kind: str) -> Callable[[str], str]:
    return lambda name: f"/runs?{urlencode({'kind': kind, 'text': name})}"


def _table(name: str) -> str:
    database, _, table = name.partition(".")
    return f"/table?{urlencode({'database': database, 'name': table})}"


def _folder(name: str) -> str:
    bucket, _, prefix = name.partition("/")
    return f"/bucket?{urlencode({'name': bucket, 'prefix': prefix})}"


_LINKS: Mapping[str, Callable[[str], str]] = {
    "job": _runs("job"),
    "crawler": _runs("crawl"),
    "state machine": _runs("execution"),
    "project": _runs("build"),
    "workgroup": _runs("query"),
    "table": _table,
    "folder": _folder,
    "bucket": lambda name: f"/bucket?{urlencode({'name': name})}",
}
