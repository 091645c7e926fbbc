"""Input templates of pipes, and the paths within the parameters of targets.

Source: "Amazon EventBridge Pipes input transformation" in the EventBridge User Guide: ``<$.path>`` is a value
of the event, ``<aws.pipes.…>`` one of the pipe; the body of a message and the data of a record are read as
JSON where they are JSON ("Implicit body data parsing").
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from millpond.localstack_ext.events import transformers

_PLACE = re.compile(r"<(\$[^<>\s]*|aws\.pipes\.[\w.-]+)>")
_PREDEFINED = {
    "aws.pipes.pipe-arn": "$.pipe.Arn",
    "aws.pipes.pipe-name": "$.pipe.Name",
    "aws.pipes.source-arn": "$.pipe.Source",
    "aws.pipes.enrichment-arn": "$.pipe.Enrichment",
    "aws.pipes.target-arn": "$.pipe.Target",
    "aws.pipes.event.ingestion-time": "$.ingested",
    "aws.pipes.event": "$.raw",
    "aws.pipes.event.json": "$.raw",
}
"""Variable → its path in what :func:`apply` makes of an event."""


def check(template: str) -> None:
    """Refuse what is no template.

    Raises
    ------
    ValueError
        If it names a variable that pipes do not have, or is neither JSON nor a text in quotes.
    """
    transformers.read(_transformer(template))


def apply(template: str, event: Any, pipe: Mapping[str, Any], ingested: str) -> Any:
    """What becomes of an event: a value of JSON, or a text.

    Parameters
    ----------
    template : str
        ``InputTemplate``.
    event : object
        As the source, or the enrichment, has it.
    pipe : mapping
        The pipe.
    ingested : str
        When the pipe received the event.
    """
    whole = {"event": parsed(event), "raw": event, "pipe": pipe, "ingested": ingested}
    return transformers.read(_transformer(template)).apply(whole, {})


def parsed(event: Any) -> Any:
    """An event whose body, or data, is what it says."""
    if not isinstance(event, dict):
        return event
    seen = dict(event)
    if isinstance(seen.get("body"), str):
        seen["body"] = _json(seen["body"])
    if isinstance(seen.get("data"), str) and seen.get("eventSource") == "aws:kinesis":
        try:
            seen["data"] = _json(base64.b64decode(seen["data"]).decode())
        except ValueError:
            return seen
    return seen


def value(text: str, event: Any) -> str:
    """A parameter of a target: itself, or what its path finds in the event."""
    if not text.startswith("$"):
        return text
    result = transformers.value_at(parsed(event), text)
    return result if isinstance(result, str) else json.dumps(result)


def _transformer(template: str) -> dict[str, Any]:
    """The template as EventBridge's rules have them: variables with names, and paths aside."""
    paths: dict[str, str] = {}

    def name(match: re.Match[str]) -> str:
        placeholder = match[1]
        if not placeholder.startswith("$") and placeholder not in _PREDEFINED:
            raise transformers.InvalidTransformerError(
                f"InputTemplate contains invalid placeholder {placeholder}."
            )
        path = _PREDEFINED[placeholder] if placeholder in _PREDEFINED else f"$.event{placeholder[1:]}"
        return f"<{paths.setdefault(path, f'v{len(paths)}')}>"

    text = _PLACE.sub(name, template)
    return {
        "InputTemplate": text,
        "InputPathsMap": {placeholder: path for path, placeholder in paths.items()},
    }


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
