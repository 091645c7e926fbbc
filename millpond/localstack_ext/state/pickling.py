"""How objects of LocalStack and moto become bytes and come back, where their own pickler does not do it."""

from __future__ import annotations

import gc
import sys
import threading
from typing import Any

from localstack.state import codecs, pickle


def install_reducers() -> None:
    """Register what the pickler lacks, for the modules that are loaded; called before every save."""
    # A lock is saved as it is: held, if somebody holds it just then, and nobody would ever release it.
    for make in (threading.Lock, threading.RLock):
        pickle.add_dispatch_entry(type(make()), _fresh(make))
    for module, name, reduce in (
        ("moto.ssm.models", "ParameterDict", _parameters),
        ("localstack.services.stepfunctions.asl.eval.event.logging", "CloudWatchLoggingSession", _session),
    ):
        if module in sys.modules:
            pickle.add_dispatch_entry(getattr(sys.modules[module], name), reduce)


def dumps(thing: Any) -> bytes:
    """Bytes of a thing."""
    return codecs.get_default_encoder().encodes(thing)


def loads(content: bytes) -> Any:
    """The thing again."""
    # Everything made is kept, so there is nothing to collect; looking for it would take half of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return codecs.get_default_decoder().decodes(content)
    finally:
        if was_enabled:
            gc.enable()


def _fresh(make: Any) -> Any:
    def reduce(pickler: Any, lock: Any) -> None:
        pickler.save_reduce(make, (), obj=lock)

    return reduce


def _made_parameters(state: dict[str, Any], items: dict[Any, Any]) -> Any:
    from moto.ssm.models import ParameterDict

    made = ParameterDict(state["account_id"], state["region_name"])
    made.__dict__.update(state)
    dict.update(made, items)
    return made


def _parameters(pickler: Any, parameters: Any) -> None:
    # A pickled dictionary is made without arguments, and this class needs some.
    pickler.save_reduce(
        _made_parameters, (dict(parameters.__dict__), dict(parameters.items())), obj=parameters
    )


def _made_session(state: dict[str, Any]) -> Any:
    from localstack.services.stepfunctions.asl.eval.event.logging import CloudWatchLoggingSession

    made = CloudWatchLoggingSession(state["execution_arn"], state["configuration"])
    made.__dict__.update(state)
    return made


def _session(pickler: Any, session: Any) -> None:
    # The client holds connections, which cannot be saved; the loaded session makes another.
    state = {name: value for name, value in session.__dict__.items() if name != "_logs_client"}
    pickler.save_reduce(_made_session, (state,), obj=session)
