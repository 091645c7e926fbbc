"""The secrets of a run: the credentials of the source database, and the key that masks columns."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ingest.dialect import Address, Dialect
from ingest.dialects import dialect_of
from ingest.errors import IngestError

_KEYS = ("engine", "host", "port", "dbname", "username", "password")
_MASKING_KEY_BYTES = 32


@dataclass(frozen=True)
class Credentials(Address):
    """How to sign in to the source database, and what it speaks.

    Parameters
    ----------
    password : str
        Never shown by ``repr``.
    dialect : Dialect
    """

    password: str = field(repr=False)
    dialect: Dialect


def read_credentials(secretsmanager: Any, secret_id: str) -> Credentials:
    """Read the secret.

    Raises
    ------
    IngestError
        If it is not JSON with the contract's keys, or names another kind of database. The message
        never holds the value.
    """
    text = secretsmanager.get_secret_value(SecretId=secret_id)["SecretString"]
    try:
        content = json.loads(text)
    except json.JSONDecodeError:
        raise IngestError(f"The secret {secret_id} is not JSON.") from None
    missing = [key for key in _KEYS if not isinstance(content, dict) or key not in content]
    if missing:
        raise IngestError(f"The secret {secret_id} lacks {', '.join(missing)}.")
    return Credentials(
        host=content["host"],
        port=int(content["port"]),
        dbname=content["dbname"],
        username=content["username"],
        password=content["password"],
        dialect=dialect_of(content["engine"], f"The secret {secret_id}"),
    )


def read_masking_key(secretsmanager: Any, secret_id: str) -> bytes:
    """Read the masking key: JSON with ``key``, 64 hexadecimal digits.

    Raises
    ------
    IngestError
        If it is something else. The message never holds the value.
    """
    text = secretsmanager.get_secret_value(SecretId=secret_id)["SecretString"]
    try:
        key = bytes.fromhex(json.loads(text)["key"])
    except (ValueError, KeyError, TypeError):
        raise IngestError(f"The secret {secret_id} is not JSON with a key of hexadecimal digits.") from None
    if len(key) != _MASKING_KEY_BYTES:
        raise IngestError(f"The key in the secret {secret_id} does not have {_MASKING_KEY_BYTES} bytes.")
    return key
