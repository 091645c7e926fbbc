"""Rotating secrets as Secrets Manager does: beside the call that asks for it, step by step, with reasons.

LocalStack runs the four steps within the call, hides what went wrong in them, names the secret otherwise than
AWS does, and breaks where a rotation is to be configured but not begun. Sources: ``RotateSecret`` in the
Secrets Manager API Reference, "Rotation by Lambda function" and "Troubleshoot AWS Secrets Manager rotation"
in the User Guide. The clock that begins them is in ``provider.py``.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from localstack.aws.connect import connect_to
from moto.secretsmanager.exceptions import (
    InvalidParameterException,
    InvalidRequestException,
    SecretNotFoundException,
    SecretsManagerClientError,
)
from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend

from millpond.localstack_ext.engine import patches
from millpond.localstack_ext.secretsmanager.windows import next_window
from millpond.localstack_ext.state import engine_state

CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
PRINCIPAL = "secretsmanager.amazonaws.com"
# Where a secret keeps its ``RotationRules``, and when its next window opens, in seconds of the epoch.
_RULES = "millpond_rotation_rules"
_OPENS = "millpond_rotation_opens"

_log = logging.getLogger(__name__)


class AccessDeniedError(SecretsManagerClientError):
    """The function cannot be called, or does not let Secrets Manager call it."""

    def __init__(self) -> None:
        super().__init__(
            "AccessDeniedException",
            "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy "
            f"grants access to the principal {PRINCIPAL}.",
        )


def install_rotation() -> None:
    """Let moto's secrets rotate by this module."""
    patches.replace(SecretsManagerBackend, "rotate_secret", _rotate_secret)
    patches.wrap(FakeSecret, "to_dict", _with_rules)


def _rotate_secret(
    backend: Any,
    secret_id: str,
    client_request_token: str | None = None,
    rotation_lambda_arn: str | None = None,
    rotation_rules: Mapping[str, Any] | None = None,
    rotate_immediately: bool = True,
) -> str:
    if not backend._is_valid_identifier(secret_id):
        raise SecretNotFoundException
    secret: Any = backend.secrets[secret_id]
    if secret.is_deleted():
        raise InvalidRequestException(
            "You can't perform this operation on the secret because it was marked for deletion."
        )
    function = rotation_lambda_arn or secret.rotation_lambda_arn
    if not function:
        raise InvalidRequestException("No Lambda rotation function ARN is associated with this secret.")
    _configure(backend, secret, function, rotation_rules or {})
    pending = _pending_version(secret)
    if pending and rotate_immediately:
        _begin(backend, secret, pending, STEPS)
        raise InvalidRequestException(
            "A previous rotation isn't complete. That rotation will be reattempted."
        )
    version = str(backend._from_client_request_token(client_request_token))
    if rotate_immediately:
        secret.versions[version] = _empty_version(version)
        _begin(backend, secret, version, STEPS)
    elif not pending:
        _begin_test(backend, secret, version)
    answer: str = secret.to_short_dict(version_id=version)
    return answer


def _configure(backend: Any, secret: Any, function: str, rules: Mapping[str, Any]) -> None:
    """Keep how the secret is to be rotated: rules that are given take the place of those before."""
    kept = dict(rules) or vars(secret).get(_RULES) or {}
    now = datetime.now(UTC)
    try:
        next_window(kept, now)
    except ValueError as error:
        raise InvalidParameterException(str(error)) from error
    if not _may_be_called(backend, function):
        raise AccessDeniedError
    secret.rotation_lambda_arn = function
    secret.auto_rotate_after_days = kept.get("AutomaticallyAfterDays", 0)
    secret.rotation_enabled = secret.rotation_requested = True
    setattr(secret, _RULES, kept)
    _plan(secret, now)


def _plan(secret: Any, now: datetime) -> None:
    """Set a secret's next window."""
    window = next_window(vars(secret).get(_RULES) or {}, now)
    secret.next_rotation_date = int(window.closes.timestamp()) if window else None
    setattr(secret, _OPENS, int(window.opens.timestamp()) if window else None)


def due(secret: Any) -> datetime | None:
    """When a secret is to be rotated next; None if it is not."""
    kept = vars(secret)
    opens = kept.get(_OPENS)
    if opens is None or not kept.get("rotation_enabled") or secret.is_deleted():
        return None
    return datetime.fromtimestamp(opens, UTC)


def rotate_by_schedule(backend: Any, secret: Any, now: datetime) -> None:
    """Begin a rotation whose window is open; one that is not complete is begun again."""
    _plan(secret, now)
    if (version := _pending_version(secret)) is None:
        version = str(uuid.uuid4())
        secret.versions[version] = _empty_version(version)
    _begin(backend, secret, version, STEPS)
    engine_state.note("secretsmanager")


def _with_rules(theirs: Any, secret: Any) -> dict[str, Any]:
    """A secret as it is described; moto knows of days alone."""
    described: dict[str, Any] = theirs(secret)
    if not secret.rotation_enabled:
        described["NextRotationDate"] = None
    if "RotationRules" in described and (rules := vars(secret).get(_RULES)):
        described["RotationRules"] = dict(rules)
    return described


def _lambda(backend: Any) -> Any:
    """A client of the secret's own account and region."""
    return connect_to(aws_access_key_id=backend.account_id, region_name=backend.region_name).lambda_


def _may_be_called(backend: Any, function: str) -> bool:
    """Whether the function exists and its policy lets Secrets Manager call it."""
    client = _lambda(backend)
    try:
        policy = json.loads(client.get_policy(FunctionName=function)["Policy"])
    except client.exceptions.ResourceNotFoundException:
        return False
    return any(
        statement["Effect"] == "Allow" and statement["Principal"].get("Service") == PRINCIPAL
        for statement in policy["Statement"]
        if isinstance(statement["Principal"], dict)
    )


def _pending_version(secret: Any) -> str | None:
    """The version of a rotation that is not complete."""
    for name, version in secret.versions.items():
        if PENDING in version["version_stages"] and CURRENT not in version["version_stages"]:
            return str(name)
    return None


def _empty_version(version: str) -> dict[str, Any]:
    """A version that has its label before ``createSecret`` gives it a value."""
    return {"createdate": int(time.time()), "version_id": version, "version_stages": [PENDING]}


def _begin(backend: Any, secret: FakeSecret, version: str, steps: Sequence[str]) -> None:
    """Run steps in a thread of their own, which ends with the engine."""
    for name, other in secret.versions.items():
        if name != version and PENDING in other["version_stages"]:
            other["version_stages"].remove(PENDING)
    threading.Thread(
        target=_run, args=(backend, secret, version, steps), name="rotation", daemon=True
    ).start()


def _begin_test(backend: Any, secret: Any, version: str) -> None:
    """Test the configuration by ``testSecret`` with a pending version, which is removed afterwards."""
    values = {
        key: current[key]
        for current in secret.versions.values()
        if CURRENT in current["version_stages"]
        for key in ("secret_string", "secret_binary")
        if key in current
    }
    secret.versions[version] = {**_empty_version(version), **values}

    def test() -> None:
        try:
            _call(backend, secret, version, "testSecret")
        finally:
            secret.versions.pop(version, None)

    threading.Thread(target=test, name="rotation-test", daemon=True).start()


def _run(backend: Any, secret: Any, version: str, steps: Sequence[str]) -> None:
    if all(_call(backend, secret, version, step) for step in steps):
        secret.last_rotation_date = int(time.time())
    engine_state.note("secretsmanager")


def _call(backend: Any, secret: Any, version: str, step: str) -> bool:
    """Call the function for a step; whether it went well. What went wrong is in the engine's log."""
    event = {"Step": step, "SecretId": secret.arn, "ClientRequestToken": version}
    try:
        answer = _lambda(backend).invoke(FunctionName=secret.rotation_lambda_arn, Payload=json.dumps(event))
        reason = answer["Payload"].read().decode() if answer.get("FunctionError") else ""
    except Exception as error:  # noqa: BLE001 - the rotation has failed, and the log says why
        _log.warning("Rotation of %s: %s could not be called", secret.name, step, exc_info=error)
        return False
    if reason:
        _log.warning("Rotation of %s: %s failed: %s", secret.name, step, reason)
    return not reason
