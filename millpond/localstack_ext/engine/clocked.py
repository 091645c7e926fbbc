"""A provider of LocalStack's with a clock of its own, which goes as the provider's state does."""

from __future__ import annotations

from typing import Any

from localstack.services.plugins import ServiceLifecycleHook

from millpond.planes.common.clock import Clock


class Clocked(ServiceLifecycleHook):
    """What is due of a service; it stands before LocalStack's provider among the bases.

    Parameters
    ----------
    *given, **named
        Of LocalStack's provider.
    """

    CLOCK: str
    """Whose the clock is: of its thread, and in the engine's log."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._clock = Clock(self.CLOCK)

    def on_before_stop(self) -> None:
        self._clock.close()

    def on_before_state_load(self) -> None:
        self._clock.clear()

    def on_before_state_reset(self) -> None:
        self._clock.clear()
