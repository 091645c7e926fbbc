"""When secrets are rotated, and that the clock begins it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from moto.secretsmanager.models import SecretsManagerBackend
from waiting import wait_until

from millpond.localstack_ext.secretsmanager import rotation
from millpond.localstack_ext.secretsmanager.provider import RotatingSecretsProvider
from millpond.localstack_ext.secretsmanager.windows import next_window

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)  # a Saturday

WINDOWS = [
    ({"AutomaticallyAfterDays": 30}, "2026-04-13T00:00:00", "2026-04-13T23:59:59"),
    ({"AutomaticallyAfterDays": 1, "Duration": "3h"}, "2026-03-15T00:00:00", "2026-03-15T02:59:59"),
    ({"ScheduleExpression": "rate(10 days)"}, "2026-03-24T00:00:00", "2026-03-24T23:59:59"),
    ({"ScheduleExpression": "rate(1 day)", "Duration": "2h"}, "2026-03-15T00:00:00", "2026-03-15T01:59:59"),
    ({"ScheduleExpression": "rate(4 hours)"}, "2026-03-14T19:00:00", "2026-03-14T19:59:59"),
    (
        {"ScheduleExpression": "rate(12 hours)", "Duration": "6h"},
        "2026-03-15T03:00:00",
        "2026-03-15T08:59:59",
    ),
    ({"ScheduleExpression": "cron(0 /8 * * ? *)"}, "2026-03-14T16:00:00", "2026-03-14T16:59:59"),
    ({"ScheduleExpression": "cron(0 8/8 * * ? *)"}, "2026-03-14T16:00:00", "2026-03-14T16:59:59"),
    ({"ScheduleExpression": "cron(0 10 * * ? *)"}, "2026-03-15T10:00:00", "2026-03-15T23:59:59"),
    (
        {"ScheduleExpression": "cron(0 16 1,15 * ? *)", "Duration": "2h"},
        "2026-03-15T16:00:00",
        "2026-03-15T17:59:59",
    ),
    ({"ScheduleExpression": "cron(0 18 ? * SUN#1 *)"}, "2026-04-05T18:00:00", "2026-04-05T23:59:59"),
]


@pytest.mark.parametrize(("rules", "opens", "closes"), WINDOWS)
def test_a_window_opens_and_closes_by_the_rules_of_rotation(
    rules: dict[str, Any], opens: str, closes: str
) -> None:
    window = next_window(rules, NOW)
    assert window is not None
    assert [f"{moment:%Y-%m-%dT%H:%M:%S}" for moment in (window.opens, window.closes)] == [opens, closes]


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ({"AutomaticallyAfterDays": 1, "ScheduleExpression": "rate(1 day)"}, "both"),
        ({"AutomaticallyAfterDays": 1001}, "within 1-1000"),
        ({"ScheduleExpression": "rate(3 hours)"}, "every 4 hours"),
        ({"ScheduleExpression": "rate(1000 days)"}, "every 999 days"),
        ({"ScheduleExpression": "rate(10 minutes)"}, "in hours or days"),
        ({"ScheduleExpression": "cron(15 10 * * ? *)"}, "cron"),
        ({"ScheduleExpression": "cron(0 25 * * ? *)"}, "within 0 and 23"),
        ({"ScheduleExpression": "rate(1 day)", "Duration": "25h"}, "1h to 24h"),
        ({"ScheduleExpression": "rate(4 hours)", "Duration": "5h"}, "next rotation window"),
        ({"ScheduleExpression": "cron(0 22 * * ? *)", "Duration": "3h"}, "next UTC day"),
    ],
)
def test_rules_that_are_none_are_refused(rules: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        next_window(rules, NOW)


class Functions:
    """Answers for Lambda: a function that makes a new value in its first step and labels it in its last."""

    exceptions = SimpleNamespace(ResourceNotFoundException=KeyError)

    def __init__(self, backend: SecretsManagerBackend) -> None:
        self.backend = backend
        self.steps: list[str] = []

    def get_policy(self, **_named: str) -> dict[str, str]:
        allowed = {"Effect": "Allow", "Principal": {"Service": rotation.PRINCIPAL}}
        return {"Policy": json.dumps({"Statement": [allowed]})}

    def invoke(self, **named: str) -> dict[str, Any]:
        event = json.loads(named["Payload"])
        self.steps.append(event["Step"])
        secret: Any = self.backend.secrets[event["SecretId"]]
        if event["Step"] == "createSecret":
            secret.versions[event["ClientRequestToken"]]["secret_string"] = "second"
        if event["Step"] == "finishSecret":
            self.backend.update_secret_version_stage(
                secret.arn,
                rotation.CURRENT,
                remove_from_version_id=secret.default_version_id,
                move_to_version_id=event["ClientRequestToken"],
            )
        return {}


def _secret(backend: SecretsManagerBackend) -> None:
    backend.create_secret(
        name="lake",
        secret_string="first",
        secret_binary=None,
        description=None,
        tags=None,
        kms_key_id=None,
        client_request_token=None,
        replica_regions=[],
        force_overwrite=False,
    )


@pytest.fixture
def provider() -> Iterator[RotatingSecretsProvider]:
    made = RotatingSecretsProvider()
    yield made
    made.on_before_stop()


def test_a_window_that_has_opened_begins_a_rotation_and_the_next_is_waited_for(
    provider: RotatingSecretsProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = SecretsManagerBackend("eu-west-1", "000000000000")
    functions = Functions(backend)
    monkeypatch.setattr(rotation, "_lambda", lambda _backend: functions)
    _secret(backend)
    secret: Any = backend.secrets["lake"]
    rules = {"ScheduleExpression": "rate(10 days)"}
    rotation._rotate_secret(backend, "lake", None, "arn:function", rules, rotate_immediately=False)
    wait_until("the configuration is tested", lambda: functions.steps and len(secret.versions) == 1)
    promised = secret.next_rotation_date
    assert datetime.fromtimestamp(promised, UTC).strftime("%H:%M:%S") == "23:59:59"

    # As if ten days had gone by while the engine was stopped.
    setattr(secret, rotation._OPENS, 0)
    provider._wait_for(backend, secret)

    wait_until("the secret is rotated", lambda: secret.last_rotation_date is not None)
    assert functions.steps == ["testSecret", *rotation.STEPS]
    assert backend.get_secret_value("lake", "", rotation.CURRENT)["SecretString"] == "second"
    assert rotation.due(secret) is not None
    assert secret.next_rotation_date == promised


def test_a_rotation_that_is_cancelled_is_waited_for_no_more(
    provider: RotatingSecretsProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = SecretsManagerBackend("eu-west-1", "000000000000")
    monkeypatch.setattr(rotation, "_lambda", lambda _backend: Functions(backend))
    _secret(backend)
    rotation._rotate_secret(backend, "lake", None, "arn:function", {"AutomaticallyAfterDays": 2}, False)
    backend.cancel_rotate_secret("lake")

    provider._wait_for(backend, backend.secrets["lake"])

    assert rotation.due(backend.secrets["lake"]) is None
    assert not provider._clock._due
