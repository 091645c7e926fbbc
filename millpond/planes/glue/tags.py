"""Tags of everything that has an ARN."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from millpond.planes.common.context import PlaneContext
from millpond.planes.glue.exceptions import EntityNotFoundException, InvalidInputException
from millpond.planes.glue.requests import Request, Shape, required

# "Tag" in the API Reference.
_MOST = 50


class Tags:
    """Operations of tags, and what the operations that make and delete resources tell of them.

    Parameters
    ----------
    context : PlaneContext
        Whose resources.
    """

    OPERATIONS = ("GetTags", "TagResource", "UntagResource")
    KEPT = ("state",)

    def __init__(self, context: PlaneContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self.state: dict[str, dict[str, str]] = {}

    def arn(self, kind: str, name: str) -> str:
        """For example ``arn:aws:glue:eu-west-1:000000000000:job/load``."""
        return self._context.arn("glue", f"{kind}/{name}")

    def create(self, kind: str, name: str, given: Mapping[str, str] | None) -> None:
        """A resource was made, with these tags."""
        with self._lock:
            self.state[self.arn(kind, name)] = dict(given or {})

    def adopt(self, kind: str, name: str, tags: dict[str, str]) -> None:
        """A resource was made that keeps its tags itself, and is to see them change."""
        with self._lock:
            self.state[self.arn(kind, name)] = tags

    def forget(self, kind: str, name: str) -> None:
        """A resource was deleted."""
        with self._lock:
            self.state.pop(self.arn(kind, name), None)

    def of(self, kind: str, name: str) -> dict[str, str]:
        with self._lock:
            return dict(self.state.get(self.arn(kind, name), {}))

    def fitting(self, kind: str, names: list[str], request: Request) -> list[str]:
        """Those of the names whose resources have all the ``Tags`` that a request asks for."""
        wanted = (request.get("Tags") or {}).items()
        return [name for name in names if wanted <= self.of(kind, name).items()]

    def get_tags(self, request: Request) -> Shape:
        with self._lock:
            return {"Tags": dict(self._asked(request))}

    def tag_resource(self, request: Request) -> Shape:
        with self._lock:
            tags = self._asked(request)
            if len(tags | required(request, "TagsToAdd")) > _MOST:
                raise InvalidInputException(f"A resource has at most {_MOST} tags")
            tags.update(request["TagsToAdd"])
        return {}

    def untag_resource(self, request: Request) -> Shape:
        with self._lock:
            tags = self._asked(request)
            for key in required(request, "TagsToRemove"):
                tags.pop(key, None)
        return {}

    def _asked(self, request: Request) -> dict[str, str]:
        arn = required(request, "ResourceArn")
        if arn not in self.state:
            raise EntityNotFoundException(f"Resource {arn} not found.")
        return self.state[arn]
