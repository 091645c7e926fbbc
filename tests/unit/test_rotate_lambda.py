"""The verifier that PostgreSQL keeps of a password."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from lambda_modules import lambda_modules


@pytest.fixture(scope="module")
def rotate() -> Iterator[SimpleNamespace]:
    with lambda_modules("rotate", "scram", "onprem") as modules:
        yield modules


def test_the_verifier_is_that_of_rfc_7677(rotate: SimpleNamespace) -> None:
    """The password and the salt of its example, and the formulas of RFC 5802 written out."""
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", salt, 4096)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")

    assert rotate.scram.verifier("pencil", salt) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        f"{base64.b64encode(stored).decode()}:{base64.b64encode(server).decode()}"
    )


def test_two_verifiers_of_a_password_differ(rotate: SimpleNamespace) -> None:
    assert rotate.scram.verifier("secret") != rotate.scram.verifier("secret")


@pytest.mark.parametrize("text", ["not json: hunter2", '{"username": "hunter2"}', '["hunter2"]'])
def test_what_is_wrong_with_a_secret_is_said_without_showing_it(rotate: SimpleNamespace, text: str) -> None:
    with pytest.raises(rotate.onprem.BadSecretError) as raised:
        rotate.onprem.parse_secret(text)
    assert "hunter2" not in str(raised.value)
