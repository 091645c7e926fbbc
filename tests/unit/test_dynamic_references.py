"""References within texts of a template."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from millpond.localstack_ext.cloudformation import references

VALUES = {
    ("ssm", "/lake/host:3"): "db.internal",
    ("ssm", "/lake/port"): r"54\32",
    ("secretsmanager", "arn:aws:secretsmanager:eu-west-1:000000000000:secret:lake-a1b2c3"): '{"user": "etl"}',
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        (
            "jdbc://{{resolve:ssm:/lake/host:3}}:{{resolve:ssm:/lake/port}}/erp",
            r"jdbc://db.internal:54\32/erp",
        ),
        (
            "{{resolve:secretsmanager:arn:aws:secretsmanager:eu-west-1:000000000000:secret:lake-a1b2c3}}",
            '{"user": "etl"}',
        ),
        ("{{resolve:ssm:/lake/${Name}}}", "{{resolve:ssm:/lake/${Name}}}"),
    ],
)
def test_each_reference_of_a_text_gets_its_own_value(text: str, expected: str) -> None:
    assert references.resolve(text, lambda service, key: VALUES[service, key]) == expected


class Secrets:
    """Secrets Manager with one secret."""

    def __init__(self) -> None:
        self.asked: dict[str, str] = {}

    def get_secret_value(self, **named: str) -> dict[str, Any]:
        self.asked = named
        if named["SecretId"] != "lake":
            error = {"Code": "ResourceNotFoundException", "Message": "can't find the specified secret."}
            raise ClientError({"Error": error}, "GetSecretValue")
        return {"SecretString": '{"user": "etl", "port": 5432}'}


class Clients:
    def __init__(self) -> None:
        self.secretsmanager = Secrets()


@pytest.fixture
def lookup(monkeypatch: pytest.MonkeyPatch) -> references.Lookup:
    monkeypatch.setattr(references, "connect_to", lambda **_named: Clients())
    return references.lookup_of("000000000000", "eu-west-1")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lake", '{"user": "etl", "port": 5432}'),
        ("lake:SecretString", '{"user": "etl", "port": 5432}'),
        ("lake:SecretString:user", "etl"),
        ("lake:SecretString:port:AWSPREVIOUS", "5432"),
        ("lake:SecretString:user::version", "etl"),
    ],
)
def test_a_part_of_a_secret_is_named_by_its_key(lookup: references.Lookup, key: str, value: str) -> None:
    assert lookup("secretsmanager", key) == value


@pytest.mark.parametrize(
    ("service", "key", "why"),
    [
        ("secretsmanager", "other:SecretString:user", "can't find the specified secret"),
        ("secretsmanager", "lake:SecretString:password", "associated with JSONKey in SecretString: password"),
        ("vault", "lake", "vault is not a service of dynamic references"),
    ],
)
def test_a_reference_that_names_nothing_says_so(
    lookup: references.Lookup, service: str, key: str, why: str
) -> None:
    with pytest.raises(references.UnresolvedReferenceError, match=why):
        lookup(service, key)
