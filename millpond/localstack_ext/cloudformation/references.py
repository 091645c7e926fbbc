"""Dynamic references: values of Parameter Store and Secrets Manager within texts of a template.

LocalStack gives all references of a text the value of the first, breaks where one ends with ``SecretString``,
and looks values up where a change set is only described. Source: "Get values stored in other services using
dynamic references" in the CloudFormation User Guide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from localstack.aws.connect import connect_to
from localstack.services.cloudformation.engine.v2.change_set_model_preproc import ChangeSetModelPreproc

from millpond.localstack_ext.engine import patches

# What is within ``${…}`` is a variable of Fn::Sub that has no value yet.
_REFERENCE = re.compile(r"{{resolve:([^:{}$]+):([^{}$]+)}}")

Lookup = Callable[[str, str], str]


class UnresolvedReferenceError(Exception):
    """A reference that names nothing; the message is shown as the stack's reason."""


def resolve(text: str, lookup: Lookup) -> str:
    """Put values in the place of references.

    Parameters
    ----------
    text : str
        A value of a template.
    lookup : callable
        The value of a reference: of a service's name, and of what follows it.
    """
    return _REFERENCE.sub(lambda match: lookup(match[1], match[2]), text)


def lookup_of(account: str, region: str) -> Lookup:
    """Look values up in the services of an account and region.

    Raises
    ------
    UnresolvedReferenceError
        By what is given back, where there is no such value or service.
    """
    clients: Any = connect_to(aws_access_key_id=account, region_name=region)

    def lookup(service: str, key: str) -> str:
        try:
            if service in ("ssm", "ssm-secure"):
                answer = clients.ssm.get_parameter(Name=key, WithDecryption=service == "ssm-secure")
                return str(answer["Parameter"]["Value"])
            if service == "secretsmanager":
                return _secret(clients.secretsmanager, key)
        except ClientError as error:
            details = error.response["Error"]
            raise UnresolvedReferenceError(
                f"{{{{resolve:{service}:{key}}}}}: {details['Message']}"
            ) from error
        raise UnresolvedReferenceError(
            f"{{{{resolve:{service}:{key}}}}}: {service} is not a service of dynamic references."
        )

    return lookup


def _secret(client: Any, key: str) -> str:
    """The value of ``secret-id:SecretString:json-key:version-stage:version-id``; the id is enough."""
    secret, _, rest = key.partition(":SecretString")
    json_key, stage, version = (*rest.removeprefix(":").split(":"), "", "")[:3]
    named = {"VersionStage": stage, "VersionId": version}
    answer = client.get_secret_value(
        SecretId=secret, **{name: value for name, value in named.items() if value}
    )
    text = str(answer["SecretString"])
    if not json_key:
        return text
    try:
        return str(json.loads(text)[json_key])
    except (ValueError, KeyError, TypeError) as error:
        raise UnresolvedReferenceError(
            f"Could not find a value associated with JSONKey in SecretString: {json_key} of {secret}"
        ) from error


def install_references() -> None:
    """Leave references as they are until a change is made, by an executor that resolves them."""

    def unchanged(_self: ChangeSetModelPreproc, value: Any) -> Any:
        return value

    patches.replace(ChangeSetModelPreproc, "_perform_dynamic_replacements", unchanged)
