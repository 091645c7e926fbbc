"""How a part of the API that Millpond lacks says so."""

from __future__ import annotations


def refuse(name: str) -> None:
    """Raise for a call that cannot be answered here.

    Parameters
    ----------
    name : str
        What the script called, for example ``GlueContext.create_dynamic_frame``.
    """
    raise NotImplementedError(f"{name} is not available in Millpond; it runs only on AWS Glue")


class Refusal:
    """Stands for an attribute: calling it, or anything reached through it, is refused by name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Refusal:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return Refusal(f"{self._name}.{attribute}")

    def __call__(self, *_args: object, **_kwargs: object) -> None:
        refuse(self._name)


class RefusingMeta(type):
    """Makes every public class attribute a refusal, so ``ApplyMapping.apply(...)`` names itself."""

    def __getattr__(cls, attribute: str) -> Refusal:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return Refusal(f"{cls.__name__}.{attribute}")

    def __call__(cls, *_args: object, **_kwargs: object) -> None:
        refuse(cls.__name__)
