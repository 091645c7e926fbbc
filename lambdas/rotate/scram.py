"""What PostgreSQL keeps of a password, computed here so that no statement holds the password itself.

Source: RFC 5802 and RFC 7677 (SCRAM-SHA-256), and "pg_authid" in the PostgreSQL documentation:
``SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>``.
"""

from __future__ import annotations

import base64

from scramp import ScramMechanism

ITERATIONS = 4096


def verifier(password: str, salt: bytes | None = None) -> str:
    """The verifier of a password, for ``ALTER ROLE … PASSWORD``.

    Parameters
    ----------
    password : str
        The clear text.
    salt : bytes, optional
        Random unless given.
    """
    salt, stored_key, server_key, iterations = ScramMechanism().make_auth_info(
        password, iteration_count=ITERATIONS, salt=salt
    )
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored_key)}:{_text(server_key)}"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
