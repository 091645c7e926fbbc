"""What every transform is."""

from __future__ import annotations

import inspect
from typing import Any


class GlueTransform:
    """A transform: an instance is called with a frame and what it takes, ``apply`` does both at once."""

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Make an instance and call it."""
        return cls()(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the transform does.

        Raises
        ------
        NotImplementedError
            In a class that says nothing of it.
        """
        raise NotImplementedError(f"{type(self).__name__}.__call__")

    @classmethod
    def name(cls) -> str:
        """The name of the class."""
        return cls.__name__

    @classmethod
    def describeArgs(cls) -> list[dict[str, Any]]:
        """Name, type and default of each argument, and whether it can be left out."""
        parameters = list(inspect.signature(cls.__call__).parameters.values())[1:]
        return [
            {
                "name": parameter.name,
                "type": str(parameter.annotation),
                "description": "",
                "optional": parameter.default is not inspect.Parameter.empty,
                "defaultValue": None if parameter.default is inspect.Parameter.empty else parameter.default,
            }
            for parameter in parameters
        ]

    @classmethod
    def describeReturn(cls) -> dict[str, str]:
        """What it gives."""
        returned = inspect.signature(cls.__call__).return_annotation
        return {"type": str(returned), "description": ""}

    @classmethod
    def describeTransform(cls) -> str:
        """What it does."""
        return inspect.getdoc(cls) or ""

    @classmethod
    def describeErrors(cls) -> list[dict[str, str]]:
        """Which errors it raises."""
        return []

    @classmethod
    def describe(cls) -> dict[str, Any]:
        """All of it."""
        return {
            "transform": {
                "name": cls.name(),
                "args": cls.describeArgs(),
                "returns": cls.describeReturn(),
                "raises": cls.describeErrors(),
                "location": "internal",
            }
        }
