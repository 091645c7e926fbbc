"""Secrets that are rotated by the clock, too.

A window that opened while the engine did not run is made up for when it runs again, as a secret is rotated
within its window or late, never left out. A rotation that fails is tried again in its next window.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from localstack.aws.api import RequestContext, handler
from localstack.services.secretsmanager.provider import SecretsmanagerProvider
from moto.secretsmanager.models import SecretsManagerBackend, secretsmanager_backends

from millpond.localstack_ext.engine.clocked import Clocked
from millpond.localstack_ext.secretsmanager import rotation


class RotatingSecretsProvider(Clocked, SecretsmanagerProvider):
    """LocalStack's secrets, with one clock for their rotations."""

    CLOCK = "secretsmanager"

    def on_after_state_load(self) -> None:
        """Wait for what was waited for; functions are called, so that the gateway must answer."""
        for backends in secretsmanager_backends.values():
            for backend in backends.values():
                for secret in list(backend.secrets.values()):
                    self._wait_for(backend, secret)

    @handler("RotateSecret", expand=False)
    def rotate_secret(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Rotate a secret, and wait for its next window."""
        try:
            return super().rotate_secret(context, request)
        finally:
            # A rotation that goes on already is refused, and yet its rules are kept.
            self._look_at(context, request["SecretId"])

    @handler("RestoreSecret", expand=False)
    def restore_secret(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Take a deletion back, and what was to be rotated with it."""
        answer = super().restore_secret(context, request)
        self._look_at(context, request["SecretId"])
        return answer

    def _look_at(self, context: RequestContext, name_or_arn: str) -> None:
        backend = self.get_moto_backend_for_resource(name_or_arn, context)
        if backend._is_valid_identifier(name_or_arn):
            self._wait_for(backend, backend.secrets[name_or_arn])

    def _wait_for(self, backend: SecretsManagerBackend, secret: Any) -> None:
        opens = rotation.due(secret)
        key = (f"{backend.account_id}:{backend.region_name}", secret.arn)
        self._clock.set(key, opens, lambda: self._is_due(backend, secret.arn, opens))

    def _is_due(self, backend: SecretsManagerBackend, arn: str, opens: datetime | None) -> None:
        if not backend._is_valid_identifier(arn):
            return
        secret: Any = backend.secrets[arn]
        if rotation.due(secret) == opens:
            rotation.rotate_by_schedule(backend, secret, datetime.now(UTC))
            self._wait_for(backend, secret)
