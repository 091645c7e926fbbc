"""The rotating Lambda: gives the ingest's database user a new password, in Secrets Manager's four steps.

Source: "Rotation by Lambda function" in the Secrets Manager User Guide: ``createSecret``, ``setSecret``,
``testSecret`` and ``finishSecret``, each of which may be called again. One user changes its own password;
sessions that are open stay open.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import boto3
from onprem import MYSQL_ENGINES, SignInRefusedError, parse_secret, session
from pg8000.native import identifier, literal
from scram import verifier

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
APPLICATION = "millpond-rotate"
PASSWORD_BYTES = 32

log = logging.getLogger()
log.setLevel(logging.INFO)


class NotRotatingError(Exception):
    """The call is not part of a rotation of this secret."""


def handler(event: Mapping[str, str], _context: object) -> None:
    secretsmanager = boto3.client("secretsmanager")
    secret_id, version = event["SecretId"], event["ClientRequestToken"]
    stages = _stages(secretsmanager, secret_id, version)
    step = STEPS.get(event["Step"])
    if step is None:
        raise NotRotatingError(f"Step is {event['Step']!r}; it is one of {', '.join(STEPS)}.")
    if CURRENT in stages:
        log.info("%s: this version is current already", event["Step"])
        return
    step(secretsmanager, secret_id, version)
    log.info("%s: done", event["Step"])


def create_secret(client: SecretsManagerClient, secret_id: str, version: str) -> None:
    """Keep a new password beside the one in use, unless that was done."""
    if _value(client, secret_id, PENDING, version) is not None:
        return
    current = _required(client, secret_id, CURRENT)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    client.put_secret_value(
        SecretId=secret_id,
        ClientRequestToken=version,
        SecretString=json.dumps({**current, "password": password}, sort_keys=True),
        VersionStages=[PENDING],
    )


def set_secret(client: SecretsManagerClient, secret_id: str, version: str) -> None:
    """Give the database the new password, unless it takes it already.

    The current password signs in; the one before it does if somebody set it back in the database.
    """
    pending = _required(client, secret_id, PENDING, version)
    if signs_in(pending):
        return
    known = [_value(client, secret_id, stage) for stage in (CURRENT, PREVIOUS)]
    for secret in known:
        if secret is not None and _is_same_user(secret, pending) and signs_in(secret):
            change_password(secret, pending["password"])
            return
    raise SignInRefusedError(
        f"{pending['username']} signs in with neither the current, the previous nor the new password."
    )


def test_secret(client: SecretsManagerClient, secret_id: str, version: str) -> None:
    """Sign in with the new password and ask for something."""
    pending = _value(client, secret_id, PENDING, version)
    if pending is None and _value(client, secret_id, CURRENT) is None:
        # Secrets Manager tests a rotation's configuration when it is made, before anybody put a password.
        log.warning("The secret has no value yet: there is nothing to test.")
        return
    with session(pending or _required(client, secret_id, PENDING, version), APPLICATION) as connection:
        connection.run("SELECT 1")


def finish_secret(client: SecretsManagerClient, secret_id: str, version: str) -> None:
    """Make the new password the current one."""
    versions = client.describe_secret(SecretId=secret_id)["VersionIdsToStages"]
    current = next((name for name, stages in versions.items() if CURRENT in stages), None)
    moved = {"RemoveFromVersionId": current} if current else {}
    client.update_secret_version_stage(
        SecretId=secret_id, VersionStage=CURRENT, MoveToVersionId=version, **moved
    )


def signs_in(secret: Mapping[str, Any]) -> bool:
    """Whether the database takes a secret; that it does not answer is an error."""
    try:
        with session(secret, APPLICATION) as connection:
            connection.run("SELECT 1")
    except SignInRefusedError:
        return False
    return True


def change_password(secret: Mapping[str, Any], password: str) -> None:
    """Change the own password of the user that a secret signs in."""
    with session(secret, APPLICATION) as connection:
        if secret["engine"] in MYSQL_ENGINES:
            text = password.replace("\\", "\\\\").replace("'", "''")
            # What a user may do with its own; MariaDB alone reads what is in the comments.
            connection.run(f"SET PASSWORD = /*M! PASSWORD( */ '{text}' /*M! ) */")
            return
        # The user's sessions are read-only unless they say otherwise.
        connection.run("SET default_transaction_read_only = off")
        statement = f"ALTER ROLE {identifier(secret['username'])} PASSWORD {literal(verifier(password))}"
        connection.run(statement)


STEPS: Mapping[str, Callable[[SecretsManagerClient, str, str], None]] = {
    "createSecret": create_secret,
    "setSecret": set_secret,
    "testSecret": test_secret,
    "finishSecret": finish_secret,
}


def _stages(client: SecretsManagerClient, secret_id: str, version: str) -> list[str]:
    """The stages of the version that is rotated, which must be pending.

    Raises
    ------
    NotRotatingError
        If the secret is not rotated, or this version of it is not.
    """
    secret = client.describe_secret(SecretId=secret_id)
    if not secret.get("RotationEnabled"):
        raise NotRotatingError(f"The rotation of {secret_id} is not enabled.")
    stages = secret.get("VersionIdsToStages", {}).get(version)
    if stages is None or not {CURRENT, PENDING} & set(stages):
        raise NotRotatingError(f"The version {version} of {secret_id} is not {PENDING}.")
    return stages


def _value(
    client: SecretsManagerClient, secret_id: str, stage: str, version: str | None = None
) -> dict[str, Any] | None:
    """A version's value, None when it has none."""
    chosen = {"VersionId": version} if version else {}
    try:
        answer = client.get_secret_value(SecretId=secret_id, VersionStage=stage, **chosen)
    except client.exceptions.ResourceNotFoundException:
        return None
    return parse_secret(answer["SecretString"])


def _required(
    client: SecretsManagerClient, secret_id: str, stage: str, version: str | None = None
) -> dict[str, Any]:
    value = _value(client, secret_id, stage, version)
    if value is None:
        raise NotRotatingError(f"{secret_id} has no {stage} value.")
    return value


def _is_same_user(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two versions are of one user of one database: nobody else's password is changed."""
    return all(one[key] == other[key] for key in ("host", "port", "dbname", "username"))
