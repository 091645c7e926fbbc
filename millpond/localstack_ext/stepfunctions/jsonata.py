"""JSONata in state machines, without the Java runtime that LocalStack would start for it.

Source: "Transforming data with JSONata in Step Functions" in the developer guide: the reserved variable
``$states``, the functions ``$partition``, ``$range``, ``$hash``, ``$random``, ``$uuid`` and ``$parse`` that
come with it, ``$eval`` that is not there, ``States.QueryEvaluationError`` for what cannot be evaluated or
has no JSON value, also for nothing (undefined). Variables are bound, never written into an expression.
"""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Mapping
from typing import Any, NoReturn

from jsonata.functions import Functions
from jsonata.jexception import JException
from jsonata.jsonata import Jsonata
from jsonata.utils import Utils

from millpond.planes.common.regexes import Regex

NULL: Any = Utils.NULL_VALUE
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
_LARGEST_SAFE_INTEGER = 2**53
MOST_TOGETHER = 262_144
"""Items of a range and characters of a padding: a state holds as many bytes."""
MOST_MILLISECONDS = 5_000
"""How long an expression may take. Expressions run side by side with everything else in the engine."""


class QueryError(ValueError):
    """An expression that cannot be read or evaluated."""


def check(expression: str) -> None:
    """Read an expression, without evaluating it.

    Raises
    ------
    QueryError
        If it is not JSONata.
    """
    _parsed(expression)


def evaluate(expression: str, bindings: Mapping[str, Any]) -> Any:
    """The JSON value of an expression.

    Parameters
    ----------
    expression : str
        JSONata, without the ``{%`` and ``%}`` around it.
    bindings : mapping of str to object
        Variables by their names without the dollar sign.

    Raises
    ------
    QueryError
        If it cannot be read or evaluated, has no value, or a value that is not JSON.

    Examples
    --------
    >>> evaluate("$sum($rows.n) / $count($rows)", {"rows": [{"n": 1}, {"n": 3}]})
    2
    """
    parsed = _parsed(expression)
    parsed.set_output_convert_nulls(False)
    bound = {name: NULL if value is None else value for name, value in bindings.items()}
    try:
        value = parsed.evaluate(None, _FUNCTIONS | bound)
    except JException as error:
        raise QueryError(f"threw an error during evaluation. {error.get_error()}: {error}") from error
    except RecursionError as error:
        raise QueryError("threw an error during evaluation. D1011: Stack overflow error") from error
    except Exception as error:
        # The library does not turn every error of Python into its own, for example a division by zero.
        raise QueryError(f"threw an error during evaluation. {error}") from error
    if value is None:
        raise QueryError("returned nothing (undefined).")
    return _plain(value)


class _Jsonata(Jsonata):  # type: ignore[misc]
    """The language with ranges that stay small: the library's own limit is ten million items."""

    def evaluate_range_expression(self, lhs: Any, rhs: Any) -> Any:
        if _is_whole(lhs) and _is_whole(rhs) and rhs - lhs >= MOST_TOGETHER:
            raise ValueError(f"a range makes at most {MOST_TOGETHER} items, not {rhs - lhs + 1}")
        return super().evaluate_range_expression(lhs, rhs)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parsed(expression: str) -> Jsonata:
    try:
        return _Jsonata(expression, _regex, MOST_MILLISECONDS)
    except JException as error:
        raise QueryError(f"is not valid. {error.get_error()}: {error}") from error
    except Exception as error:
        # The library lets errors of Python out here, too.
        raise QueryError(f"is not valid. {error}") from error


def _regex(pattern: str, flags: Any) -> Regex:
    """A regular expression in an expression: JavaScript's, which may look around."""
    named = f"{'i' if flags.case_insensitive else ''}{'m' if flags.multiline else ''}"
    return Regex(pattern, named, backtracks=True)


def _plain(value: Any) -> Any:
    """A value of the library as JSON has it: whole numbers are integers, as JavaScript writes them."""
    if value is NULL or value is None or isinstance(value, bool | str | int):
        return None if value is NULL else value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _LARGEST_SAFE_INTEGER else value
    if isinstance(value, Mapping):
        return {str(name): _plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple | range):
        return [_plain(item) for item in value]
    raise QueryError("returned an unsupported result type.")


# The functions that Step Functions adds


def _partition(array: Any, size: Any) -> Any:
    size = int(size)
    if size < 1:
        raise ValueError("$partition needs chunks of at least 1")
    return [array[at : at + size] for at in range(0, len(array), size)]


def _range(first: Any, last: Any, step: Any) -> Any:
    if step == 0:
        raise ValueError("$range cannot step by 0")
    many = int((last - first) / step) + 1
    if many > MOST_TOGETHER:
        raise ValueError(f"$range makes at most {MOST_TOGETHER} items, not {many}")
    return [first + step * at for at in range(max(0, many))]


def _hash(data: Any, algorithm: str = "SHA-256") -> str:
    if algorithm not in _ALGORITHMS:
        raise ValueError(f"$hash knows {', '.join(_ALGORITHMS)}, not {algorithm}")
    text = data if isinstance(data, str) else json.dumps(_plain(data), separators=(",", ":"))
    return hashlib.new(_ALGORITHMS[algorithm], text.encode()).hexdigest()


def _random(seed: Any = None) -> float:
    return (random if seed is None else random.Random(seed)).random()  # noqa: S311


def _parse(text: str) -> Any:
    return json.loads(text)


class _Padding:
    @staticmethod
    def pad(text: Any, width: Any, filling: Any) -> Any:
        if _is_whole(width) and abs(width) > MOST_TOGETHER:
            raise ValueError(f"$pad makes at most {MOST_TOGETHER} characters, not {abs(width)}")
        return Functions.pad(text, width, filling)


def _no_eval(*_arguments: Any) -> NoReturn:
    raise ValueError("$eval is not supported; use $parse to read JSON")


_FUNCTIONS: dict[str, Any] = {
    name: Jsonata.JLambda(function)
    for name, function in {
        "partition": _partition,
        "range": _range,
        "hash": _hash,
        "random": _random,
        "uuid": lambda: str(uuid.uuid4()),
        "parse": _parse,
        "eval": _no_eval,
    }.items()
} | {"pad": Jsonata.JNativeFunction("pad", "<s-ns?:s>", _Padding, None)}
