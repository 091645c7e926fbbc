"""The state of this engine over its life: brought back at its start, saved meanwhile and at its end.

``/_localstack/state`` tells what is saved; ``POST /_localstack/state/save`` saves now,
``POST /_localstack/state/reset`` forgets everything, or ``{"services": ["s3", …]}`` of it.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from localstack.aws import handlers
from localstack.aws.api import RequestContext
from localstack.http import Request, Resource, Response
from localstack.services.internal import get_internal_apis
from localstack.services.plugins import SERVICE_PLUGINS

from millpond.base.saved_state import NOT_BACK, VARIABLE, SavedState
from millpond.localstack_ext.state.saver import Saver, is_change

_LOG = logging.getLogger(__name__)

PATH = "/_localstack/state"
# A change that no call has made is noticed by its event: source of the event to service.
_OF_EVENTS = {
    "aws.athena": "athena",
    "aws.codebuild": "codebuild",
    "aws.glue": "glue",
    "aws.glue-dataquality": "glue",
    "aws.states": "stepfunctions",
}


def keeps() -> bool:
    """Whether this engine keeps its state."""
    return _saver() is not None


def before_save(service: str, begin: Callable[[], Callable[[], None]]) -> None:
    """Have something called before a service is saved; what it gives is called when that is done."""
    if (saver := _saver()) is not None:
        saver.on_save[service] = begin


def start() -> None:
    """Bring back what was saved, and begin to save; an engine that keeps nothing only learns to reset."""
    get_internal_apis().add(Resource(PATH, _StateResource()))
    get_internal_apis().add(Resource(f"{PATH}/save", _SaveResource()))
    get_internal_apis().add(Resource(f"{PATH}/reset", _ResetResource()))
    saver, saved = _saver(), _saved()
    if saver is None or saved is None:
        return
    from millpond.localstack_ext.state import parts

    with _whole_or_not_at_all(saved):
        if (manifest := saved.require_fitting()) is not None:
            saved.tidy(manifest)
            parts.load(saved, manifest)
    answers: Any = handlers.run_custom_response_handlers
    answers.append(_note_call)


def finish() -> None:
    """Bring back what needs a gateway that answers, and begin to save."""
    saver, saved = _saver(), _saved()
    if saver is None or saved is None:
        return
    from millpond.localstack_ext.state import parts

    with _whole_or_not_at_all(saved):
        if (manifest := saved.manifest()) is not None:
            parts.finish(manifest)
    saver.start()


@contextmanager
def _whole_or_not_at_all(saved: SavedState) -> Iterator[None]:
    """End the engine with what goes wrong: with half of its state it would save that over what there is."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - the engine ends with it
        _LOG.critical("%s", NOT_BACK, exc_info=True)
        notes = " ".join(getattr(error, "__notes__", ()))
        _LOG.critical("%s in %s: %s %s", NOT_BACK, saved.directory, error, notes)
        logging.shutdown()
        os._exit(1)


def stop() -> None:
    """Save what the engine leaves."""
    if (saver := _saver()) is None:
        return
    try:
        for service in _OF_EVENTS.values():
            note(service)
        saver.stop()
    except Exception:  # noqa: BLE001 - the engine is stopping, and the log says so
        _LOG.exception("the state could not be saved; what was saved before is as it was")


def note(service: str) -> None:
    """A service has changed without a call."""
    if (saver := _saver()) is not None:
        saver.note(service)


def _note_call(_chain: Any, context: RequestContext, _response: Response) -> None:
    """Remember which service a call has changed."""
    if context.operation is None or not is_change(context.operation.name):
        return
    note(context.operation.service_model.service_name)
    if context.operation.name == "PutEvents":
        request: Any = context.service_request or {}
        for entry in request.get("Entries") or []:
            if source := _OF_EVENTS.get(entry.get("Source", "")):
                note(source)


@cache
def _saved() -> SavedState | None:
    directory = os.environ.get(VARIABLE)
    return SavedState(Path(directory)) if directory else None


@cache
def _saver() -> Saver | None:
    saved = _saved()
    return None if saved is None else Saver(saved)


class _StateResource:
    def on_get(self, _request: Request) -> Response:
        saved = _saved()
        manifest = saved.manifest() if saved is not None else None
        saver = _saver()
        state: dict[str, Any] = {"keeps": keeps(), "is_back": saver is None or saver.is_started}
        if saver is not None:
            state["unsaved"] = saver.unsaved
        if manifest is not None:
            state |= {"number": manifest.number, "saved": manifest.saved, "parts": sorted(manifest.parts)}
        return _answer(state)


class _SaveResource:
    def on_post(self, _request: Request) -> Response:
        if (saver := _saver()) is None:
            return _answer({"message": "This engine keeps no state: the setting keep_state is off."}, 409)
        try:
            manifest = saver.save()
        except RuntimeError as error:
            return _answer({"message": str(error)}, 500)
        return _answer({"number": manifest.number if manifest else 0})


class _ResetResource:
    def on_post(self, request: Request) -> Response:
        from millpond.localstack_ext.state import parts

        content = request.get_data()
        try:
            services = json.loads(content).get("services", []) if content else []
        except (ValueError, AttributeError):
            return _answer({"message": 'The content is not JSON of the form {"services": ["s3"]}.'}, 400)
        if unknown := sorted(set(services) - set(SERVICE_PLUGINS.list_available())):
            return _answer({"message": f"There is no service {', '.join(unknown)}."}, 400)
        forgotten = parts.reset(services)
        for service in forgotten:
            note(service)
        return _answer({"services": sorted(forgotten)})


def _answer(content: object, status: int = 200) -> Response:
    return Response(json.dumps(content), status=status, content_type="application/json")
