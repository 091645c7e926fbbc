"""Regular expressions that users write: searched in bounded time, whatever they are.

RE2 finds what it finds in time linear to the text, and refuses what cannot be found so: looking around, and
references to groups. Where AWS's own engine knows these (Java's, JavaScript's), they are left to a
backtracking engine that gives up after some seconds and lets other threads run meanwhile.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import re2  # type: ignore[import-untyped]
import regex  # type: ignore[import-untyped]

MOST_SECONDS = 2.0
"""How long a backtracking expression may search, over all the texts that it is asked about."""

_REFERENCE = re.compile(r"\\g<(\d+)>")


class RegexError(ValueError):
    """Text that is no regular expression, or one that takes too long."""


class Regex:
    r"""A regular expression of a user.

    Parameters
    ----------
    pattern : str
        The expression.
    flags : str
        Of ``i`` (any case), ``s`` (a dot is any character) and ``m`` (``^`` and ``$`` are at each line).
    backtracks : bool
        Whether looking around and references to groups are known.

    Raises
    ------
    RegexError
        If it is none; from its methods, if it takes too long.

    Examples
    --------
    >>> Regex("(a+)+$").search("a" * 5000 + "!") is None
    True
    """

    def __init__(self, pattern: str, flags: str = "", *, backtracks: bool = False) -> None:
        self.pattern = pattern
        self._left = MOST_SECONDS
        written = f"(?{flags}){pattern}" if flags else pattern
        try:
            self._linear: Any = _linear(written)
        except re2.error as error:
            if not backtracks:
                raise RegexError(_problem(error)) from None
            self._linear = None
            self._backtracking = _backtracking(written)

    def search(self, text: str) -> Any:
        """The first match, as those of :mod:`re`; None if there is none."""
        return self._ask("search", text)

    def match(self, text: str) -> Any:
        """The match at the beginning of the text."""
        return self._ask("match", text)

    def fullmatch(self, text: str) -> Any:
        """The match of the whole text."""
        return self._ask("fullmatch", text)

    def finditer(self, text: str) -> Iterator[Any]:
        """Every match."""
        return iter(self._ask("finditer", text, list))

    def split(self, text: str, maxsplit: int = 0) -> list[str]:
        """What is between the matches."""
        return list(self._ask("split", text, maxsplit=maxsplit))

    def sub(self, replacement: Any, text: str, count: int = 0) -> str:
        r"""The text with its matches replaced, by a function or by a template with ``\g<1>``.

        Raises
        ------
        re.error
            If the template names a group that there is not, in the words of :mod:`re`.
        """
        if isinstance(replacement, str):
            engine = self._backtracking if self._linear is None else self._linear
            for number in _REFERENCE.findall(replacement):
                if int(number) > engine.groups:
                    raise re.error(f"invalid group reference {number} at position 0")
        return str(self._ask("sub", text, str, replacement, count=count))

    def _ask(self, method: str, text: str, whole: Any = None, *before: Any, **named: Any) -> Any:
        if self._linear is not None:
            result = getattr(self._linear, method)(*before, _encodable(text), **named)
            return whole(result) if whole else result
        began = time.monotonic()
        try:
            if self._left <= 0:
                raise TimeoutError
            asked = getattr(self._backtracking, method)
            result = asked(*before, text, timeout=self._left, concurrent=True, **named)
            return whole(result) if whole else result
        except TimeoutError:
            raise RegexError(f"the regular expression {self.pattern} takes too long") from None
        finally:
            self._left -= time.monotonic() - began


def _linear(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(_encodable(pattern), options)
    except UnicodeError as error:
        raise re2.error(str(error)) from None


def _backtracking(pattern: str) -> Any:
    try:
        return regex.compile(pattern)
    except (regex.error, ValueError, IndexError, KeyError, OverflowError, RecursionError) as error:
        raise RegexError(_problem(error)) from None


def _encodable(text: str) -> str:
    """The text without halves of characters, which JSON can hold and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _problem(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
