"""What Millpond uses of other libraries although they do not promise it: a row each, looked up by tests."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from functools import reduce


@dataclass(frozen=True)
class Target:
    """One thing of another library that is changed, or used although its name is private.

    Parameters
    ----------
    name : str
        ``module:Class.attribute`` or ``module:attribute``.
    signature : str, optional
        What :func:`signature_of` says of it; None where they have nothing of that name.
    release : str
        The distribution and the version that this was written for, for example ``pyiceberg 0.12.0``.
    reason : str
        Why it is changed, or what for it is used.
    """

    name: str
    signature: str | None
    release: str
    reason: str

    @property
    def installed_signature(self) -> str | None:
        """The signature of what is installed; None where nothing of that name is defined."""
        module, _, path = self.name.partition(":")
        *owners, name = path.split(".")
        owner = reduce(getattr, owners, importlib.import_module(module))
        if name in vars(owner):
            return signature_of(vars(owner)[name])
        declared = vars(owner).get("__annotations__", {}).get(name)
        return (
            declared if declared is None or isinstance(declared, str) else inspect.formatannotation(declared)
        )


def signature_of(thing: object) -> str:
    """The parameters of a function or class without their types; of anything else its type.

    Of an attribute that a class only declares, it is the declared type.
    """
    if isinstance(thing, staticmethod):
        thing = thing.__func__
    if not callable(thing):
        return type(thing).__name__
    signature = inspect.signature(thing)
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()
    ]
    return str(inspect.Signature(bare))
