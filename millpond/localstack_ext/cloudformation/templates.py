"""Templates as CloudFormation takes them: their text, size and YAML.

Source: "CloudFormation template format" (YAML features that are not supported) and "CloudFormation quotas" in
the CloudFormation User Guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from localstack.services.cloudformation import api_utils
from localstack.services.cloudformation.engine import template_preparer, yaml_parser
from localstack.services.cloudformation.engine.validations import ValidationError

from millpond.localstack_ext.engine import patches

_LONGEST_BODY = 51_200
_LONGEST_AT_URL = 1_048_576


def refused(message: str) -> Exception:
    """The error that CloudFormation answers with."""
    error: Exception = ValidationError(message)  # type: ignore[no-untyped-call]
    return error


def text_of(request: Mapping[str, Any], previous: str | None) -> str:
    """The template that a request names.

    Parameters
    ----------
    request : mapping
        Has ``TemplateBody``, ``TemplateURL`` or ``UsePreviousTemplate``.
    previous : str or None
        The stack's template.

    Raises
    ------
    ValidationError
        If it names none or two, or one that is too long.
    """
    body, url = request.get("TemplateBody"), request.get("TemplateURL")
    is_previous = bool(request.get("UsePreviousTemplate"))
    if (body is not None) + (url is not None) + is_previous != 1:
        if is_previous:
            raise refused("You cannot specify both UsePreviousTemplate and a template body or URL.")
        raise refused("Either Template URL or Template Body must be specified.")
    if is_previous:
        if not previous:
            raise refused("The stack has no template yet.")
        return previous
    if body is not None:
        if len(body.encode()) > _LONGEST_BODY:
            raise refused(
                f"1 validation error detected: Value at 'templateBody' failed to satisfy constraint: "
                f"Member must have length less than or equal to {_LONGEST_BODY}"
            )
        return str(body)
    text = str(api_utils.extract_template_body(dict(request)))
    if len(text.encode()) > _LONGEST_AT_URL:
        raise refused(f"Template may not exceed {_LONGEST_AT_URL} bytes in size.")
    return text


def parsed(text: str) -> dict[str, Any]:
    """A template as a mapping.

    Raises
    ------
    ValidationError
        If it is neither JSON nor YAML, or has no resources.
    """
    template: Any = template_preparer.parse_template(text)
    if not isinstance(template, dict):
        raise refused("Template format error: unsupported structure.")
    if not isinstance(template.get("Resources"), dict) or not template["Resources"]:
        raise refused("Template format error: At least one Resources member must be defined.")
    for name, resource in template["Resources"].items():
        if not name.startswith("Fn::") and not (
            isinstance(resource, dict) and isinstance(resource.get("Type"), str)
        ):
            raise refused(
                f"Template format error: [/Resources/{name}] Every Resources object must contain a "
                "Type member."
            )
    return template


def install_yaml() -> None:
    """Refuse aliases, as CloudFormation does: a few lines of them become gigabytes."""

    def parse_yaml(theirs: Any, input_data: str) -> Any:
        refuse_aliases(input_data)
        return theirs(input_data)

    patches.wrap(yaml_parser, "parse_yaml", parse_yaml)


def refuse_aliases(text: str) -> None:
    """Raise ValidationError if a YAML text has an alias."""
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            raise refused("Template format error: YAML aliases are not allowed in CloudFormation templates")
