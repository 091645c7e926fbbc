"""What becomes of each operation of a service: calls are dispatched by it, and coverage is told from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from botocore import xform_name


class Answer(StrEnum):
    """How true the answer to an operation is."""

    OWN = "own"
    """The plane does what AWS does."""
    ENGINE = "engine's"
    """The engine's own implementation answers, and what it says is so."""
    KEPT = "kept without effect"
    """What is created can be read, listed and deleted, and nothing comes of it."""
    REFUSED = "refused"
    """An error of AWS's form: nothing is done, and nothing is said to have been done."""


@dataclass(frozen=True)
class Operations:
    """The operations of one service.

    Parameters
    ----------
    service : str
        botocore's name of it, for example ``glue``.
    own : iterable of str
        Those that the plane answers, each by the method that botocore's clients have for it.
    kept : iterable of str
        Those of the engine that are without effect.
    held : iterable of str
        Those that the plane answers, and that are without effect.
    refused : iterable of str
        Those that the engine would say yes to although nothing is done.
    is_checked : bool
        Whether requests are held against the service's model before the plane sees them.
    refusal : str
        The code of the error if they break its rules.
    worded : iterable of str
        Those whose requests are not, since the service has its own words for what is wrong with them.

    Raises
    ------
    ValueError
        If an operation is said twice.
    """

    service: str
    own: Iterable[str]
    kept: Iterable[str] = ()
    refused: Iterable[str] = ()
    held: Iterable[str] = ()
    is_checked: bool = False
    refusal: str = "ValidationException"
    worded: Iterable[str] = ()

    def __post_init__(self) -> None:
        said = [*self.own, *self.kept, *self.refused, *self.held]
        if twice := sorted({name for name in said if said.count(name) > 1}):
            raise ValueError(f"operations of {self.service} that are in the table twice: {', '.join(twice)}")

    def methods(self) -> Mapping[str, str]:
        """Operation → name of the plane's method."""
        return {operation: xform_name(operation) for operation in (*self.own, *self.held)}

    def answers(self, existing: Iterable[str], engines: Iterable[str]) -> dict[str, Answer]:
        """What becomes of every operation.

        Parameters
        ----------
        existing : iterable of str
            Every operation that the service has.
        engines : iterable of str
            Those that the engine implements.

        Raises
        ------
        ValueError
            If the table has an operation that the service does not have.
        """
        answers = dict.fromkeys(existing, Answer.REFUSED)
        answers |= {name: Answer.ENGINE for name in engines if name in answers}
        for names, answer in (
            (self.own, Answer.OWN),
            (self.kept, Answer.KEPT),
            (self.held, Answer.KEPT),
            (self.refused, Answer.REFUSED),
        ):
            for name in names:
                if name not in answers:
                    raise ValueError(f"{self.service} has no operation {name}")
                answers[name] = answer
        return answers
