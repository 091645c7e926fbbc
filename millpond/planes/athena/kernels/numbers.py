"""Numbers as Java reads, writes and rounds them.

Reference: "Mathematical functions and operators", "Conversion functions".
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

from millpond.planes.athena.kernels import fail
from millpond.planes.athena.types import Type

WIDE = Context(prec=200)
_BITS = {"tinyint": 7, "smallint": 15, "integer": 31, "bigint": 63}


def double_text(value: float) -> str:
    """A double as ``CAST(… AS varchar)`` writes it: ``1.5E0``."""
    return _scientific(value, repr(value))


def real_text(value: float) -> str:
    if value != value or math.isinf(value):
        return _scientific(value, repr(value))
    single = struct.pack("f", value)
    shortest = next(
        t for t in (f"{value:.{d}g}" for d in range(1, 10)) if struct.pack("f", float(t)) == single
    )
    return _scientific(value, shortest)


def _scientific(value: float, shortest: str) -> str:
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0E0" if math.copysign(1, value) < 0 else "0E0"
    sign, digits, exponent = Decimal(shortest).normalize().as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    return f"{'-' if sign else ''}{text[0]}.{text[1:] or '0'}E{len(digits) - 1 + exponent}"


_DOUBLE = re.compile(r"[+-]?(?:NaN|Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?)", re.ASCII)


def parse_double(text: str) -> float:
    """As Java's ``Double.parseDouble``.

    Raises
    ------
    ValueError
        If it is no number.
    """
    stripped = text.strip("".join(map(chr, range(33))))
    if not _DOUBLE.fullmatch(stripped):
        raise ValueError(text)
    return float(stripped if stripped.endswith(("NaN", "Infinity")) else stripped.rstrip("fFdD"))


def text_to_double(name: str) -> Callable[[str], float]:
    def convert(text: str) -> float:
        try:
            value = parse_double(text)
        except ValueError:
            raise fail("INVALID_CAST_ARGUMENT", f"Cannot cast '{text}' to {name.upper()}") from None
        return single(value) if name == "real" else value

    return convert


def single(value: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def text_to_integer(name: str) -> Callable[[str], int]:
    bits = _BITS[name]

    def convert(text: str) -> int:
        if re.fullmatch(r"[+-]?\d+", text):
            value = int(text)
            if -(2**bits) <= value < 2**bits:
                return value
        raise fail("INVALID_CAST_ARGUMENT", f"Cannot cast '{text}' to {name.upper()}")

    return convert


def double_to_integer(name: str, source: str) -> Callable[[float], int]:
    bits = _BITS[name]

    def convert(value: float) -> int:
        if value != value:
            raise fail(
                "INVALID_CAST_ARGUMENT",
                f"Cannot cast {source} NaN to {name}",
            )
        limit = 2.0**bits
        if name == "bigint" and not -limit <= value < limit:
            shown = _shown(value)
            raise fail("INVALID_CAST_ARGUMENT", f"Unable to cast {shown} to bigint")
        rounded = _half_away(value) if not math.isinf(value) else (2**bits if value > 0 else -(2**bits) - 1)
        if not -(2**bits) <= rounded < 2**bits:
            raise fail(
                "INVALID_CAST_ARGUMENT"
                if name == "bigint" or source == "real"
                else "NUMERIC_VALUE_OUT_OF_RANGE",
                f"Out of range for {name}: {_shown(value)}",
            )
        return rounded

    return convert


def _shown(value: float) -> str:
    from millpond.planes.athena.values import java_double

    return java_double(value)


def _half_away(value: float) -> int:
    whole = math.floor(abs(value))
    if abs(value) - whole >= 0.5:
        whole += 1
    return -whole if value < 0 else whole


def text_to_boolean(text: str) -> bool:
    if text.lower() in ("t", "true", "1"):
        return True
    if text.lower() in ("f", "false", "0"):
        return False
    raise fail("INVALID_CAST_ARGUMENT", f"Cannot cast '{text}' to BOOLEAN")


def fitted(value: Decimal, type_: Type) -> Decimal:
    """Rounded half up to the scale of a decimal type.

    Raises
    ------
    ArithmeticError
        If it has too many digits.
    """
    rounded = value.quantize(Decimal(1).scaleb(-type_.scale), rounding=ROUND_HALF_UP, context=WIDE)
    if rounded.copy_abs() >= Decimal(10) ** (type_.precision - type_.scale):
        raise ArithmeticError(value)
    return rounded if rounded else rounded.copy_abs()


def text_to_decimal(type_: Type) -> Callable[[str], Decimal]:
    def convert(text: str) -> Decimal:
        try:
            if not re.fullmatch(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", text, re.ASCII):
                raise ValueError
            value = Decimal(text)
            return fitted(value, type_)
        except (ValueError, InvalidOperation):
            reason = "Value is not a number."
        except ArithmeticError:
            reason = "Value too large."
        raise fail(
            "INVALID_CAST_ARGUMENT",
            f"Cannot cast VARCHAR '{text}' to DECIMAL({type_.precision}, {type_.scale}). {reason}",
        )

    return convert


def double_to_decimal(type_: Type, source: str) -> Callable[[float], Decimal]:
    target = f"DECIMAL({type_.precision}, {type_.scale})"

    def convert(value: float) -> Decimal:
        if math.isfinite(value):
            exact = Decimal(repr(value)) if source == "double" else Decimal(_real_shortest(value))
            try:
                return fitted(exact, type_)
            except ArithmeticError:
                pass
        raise fail("INVALID_CAST_ARGUMENT", f"Cannot cast {source.upper()} '{_shown(value)}' to {target}")

    return convert


def _real_shortest(value: float) -> str:
    single = struct.pack("f", value)
    return next(t for t in (f"{value:.{d}g}" for d in range(1, 10)) if struct.pack("f", float(t)) == single)


def limited(size: int) -> Callable[[str], str]:
    """The text of a value that must fit into so many characters."""

    def convert(text: str) -> str:
        if len(text) > size:
            raise fail("INVALID_CAST_ARGUMENT", f"Value {text} cannot be represented as varchar({size})")
        return text

    return convert


# Functions


def round_double(value: float, digits: int) -> float:
    if value != value or math.isinf(value):
        return value
    if value == 0:
        return 0.0
    if digits == 0:
        return math.copysign(float(_half_away(value)), value)
    factor = 10.0**digits
    scaled = value * factor
    if math.isinf(scaled):
        return value
    rounded = float(_half_away(scaled)) / factor if not math.isinf(factor) else value
    if math.isnan(rounded) or math.isinf(rounded):
        return value
    return math.copysign(rounded, value) if rounded == 0 else rounded


def round_real(value: float, digits: int) -> float:
    return single(round_double(value, digits))


def round_integer(name: str) -> Callable[[int, int], int]:
    bits = _BITS[name]

    def convert(value: int, digits: int) -> int:
        if digits >= 0:
            return value
        factor: int = 10 ** min(-digits, 40)
        rounded = (abs(value) + factor // 2) // factor * factor * (1 if value >= 0 else -1)
        if not -(2**bits) <= rounded < 2**bits:
            raise fail("NUMERIC_VALUE_OUT_OF_RANGE", f"numerical overflow: {value}")
        return rounded

    return convert


def round_decimal(type_: Type, *, is_truncation: bool = False) -> Callable[[Decimal, int], Decimal]:
    from decimal import ROUND_DOWN

    way = ROUND_DOWN if is_truncation else ROUND_HALF_UP

    def convert(value: Decimal, digits: int) -> Decimal:
        if digits >= type_.scale:
            return value
        rounded = value.quantize(Decimal(1).scaleb(-max(digits, -60)), rounding=way, context=WIDE)
        result = rounded.quantize(Decimal(1).scaleb(-type_.scale), context=WIDE)
        if result.copy_abs() >= Decimal(10) ** (38 - type_.scale):
            raise fail("NUMERIC_VALUE_OUT_OF_RANGE", "Decimal overflow")
        return result

    return convert


def truncate_double(value: float) -> float:
    return value if value != value or math.isinf(value) else math.copysign(float(math.trunc(value)), value)


def sign_double(value: float) -> float:
    return value if value != value or value == 0 else math.copysign(1.0, value)


def guarded(function: Callable[..., float]) -> Callable[..., float]:
    """A function of Python's ``math`` that answers NaN or an infinity where Java's does, not an error."""

    def call(*values: float) -> float:
        if any(v != v for v in values):
            return math.nan
        try:
            return function(*values)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    call.__qualname__ = f"guarded.{function.__name__}"
    return call


def _logarithm(base: float | None) -> Callable[[float], float]:
    def call(value: float) -> float:
        if value != value or value < 0:
            return math.nan
        if value == 0:
            return -math.inf
        return math.log(value) if base is None else math.log2(value) if base == 2 else math.log10(value)

    call.__qualname__ = f"_logarithm.{base}"
    return call


ln, log2, log10 = _logarithm(None), _logarithm(2), _logarithm(10)


def log(base: float, value: float) -> float:
    one, other = ln(value), ln(base)
    if other != 0:
        return one / other
    return math.nan if one == 0 or one != one else math.copysign(math.inf, one)


def power(base: float, exponent: float) -> float:
    if exponent == 0:
        return 1.0
    if exponent != exponent or base != base:
        return math.nan
    if abs(base) == 1 and math.isinf(exponent):
        return math.nan
    try:
        result = base**exponent if base or exponent > 0 else math.inf
    except OverflowError:
        is_odd = exponent == math.floor(exponent) and exponent % 2 == 1
        return -math.inf if base < 0 and is_odd else math.inf
    if isinstance(result, complex):
        return math.nan
    if base == 0 and exponent < 0:
        is_odd = exponent == math.floor(exponent) and exponent % 2 == 1
        return math.copysign(math.inf, base) if is_odd else math.inf
    return float(result)


def sinh_cosh(name: str) -> Callable[[float], float]:
    function = getattr(math, name)

    def call(value: float) -> float:
        try:
            return float(function(value))
        except OverflowError:
            return math.inf if name == "cosh" or value > 0 else -math.inf

    return call


def cbrt(value: float) -> float:
    return math.cbrt(value)


def exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def sqrt(value: float) -> float:
    return math.nan if value != value or value < 0 else math.sqrt(value)


def modulo_double(one: float, other: float) -> float:
    if one != one or other != other or math.isinf(one) or other == 0:
        return math.nan
    return math.fmod(one, other)


def width_bucket(value: float, low: float, high: float, count: int) -> int:
    if count <= 0:
        raise fail("INVALID_FUNCTION_ARGUMENT", "bucketCount must be greater than 0")
    for name, bound in (("operand", value), ("first bound", low), ("second bound", high)):
        if bound != bound and name == "operand":
            raise fail("INVALID_FUNCTION_ARGUMENT", "operand must not be NaN")
        if name != "operand" and not math.isfinite(bound):
            raise fail("INVALID_FUNCTION_ARGUMENT", f"{name} must be finite")
    if low == high:
        raise fail("INVALID_FUNCTION_ARGUMENT", "bounds cannot equal each other")
    lower, upper = min(low, high), max(low, high)
    if value < lower:
        result = 0
    elif value >= upper:
        result = count + 1
        if result >= 2**63:
            raise fail("NUMERIC_VALUE_OUT_OF_RANGE", f"Bucket for value {_shown(value)} is out of range")
    else:
        result = int(count * (value - lower) / (upper - lower) + 1)
    return count - result + 1 if low > high else result


def width_bucket_bins(value: float, bins: list[float]) -> int:
    if not bins:
        raise fail("INVALID_FUNCTION_ARGUMENT", "Bins cannot be an empty array")
    if value != value:
        raise fail("INVALID_FUNCTION_ARGUMENT", "Operand cannot be NaN")
    lower, upper = 0, len(bins)
    while lower < upper:
        if not bins[lower] <= bins[upper - 1]:
            raise fail("INVALID_FUNCTION_ARGUMENT", "Bin values are not sorted in ascending order")
        middle = (lower + upper) // 2
        if bins[middle] is None or not math.isfinite(bins[middle]):
            raise fail("INVALID_FUNCTION_ARGUMENT", f"Bin value must be finite, got {_shown(bins[middle])}")
        if value < bins[middle]:
            upper = middle
        else:
            lower = middle + 1
    return lower


def bit_count(value: int, bits: int) -> int:
    if not 2 <= bits <= 64:
        raise fail(
            "INVALID_FUNCTION_ARGUMENT", f"Bits specified in bit_count must be between 2 and 64, got {bits}"
        )
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise fail(
            "INVALID_FUNCTION_ARGUMENT",
            "Number must be representable with the bits specified. "
            f"{value} cannot be represented with {bits} bits",
        )
    mask: int = 2**bits - 1
    return (value & mask).bit_count()


def _wrapped(value: int, bits: int) -> int:
    value &= 2**bits - 1
    return value - 2**bits if value >= 2 ** (bits - 1) else value


def shifted(way: str, name: str) -> Callable[[int, int], int]:
    bits = _BITS[name] + 1

    def call(value: int, count: int) -> int:
        # Java takes a count of bits modulo 64.
        if way == "arithmetic":
            return value >> (count & 63) if count < bits else (-1 if value < 0 else 0)
        if count >= bits:
            return 0
        if way == "left":
            return _wrapped(value << (count & 63), bits)
        return _wrapped((value & (2**bits - 1)) >> (count & 63), bits)

    return call


def wilson(side: int) -> Callable[[int, int, float], float]:
    def call(successes: int, trials: int, z: float) -> float:
        if successes < 0:
            raise fail("INVALID_FUNCTION_ARGUMENT", "number of successes must not be negative")
        if trials <= 0:
            raise fail("INVALID_FUNCTION_ARGUMENT", "number of trials must be positive")
        if successes > trials:
            raise fail(
                "INVALID_FUNCTION_ARGUMENT", "number of successes must not be larger than number of trials"
            )
        if not z >= 0:
            raise fail("INVALID_FUNCTION_ARGUMENT", "z-score must not be negative")
        s, n = float(successes), float(trials)
        p = s / n
        spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return (p + z * z / (2 * n) + side * spread) / (1 + z * z / n)

    return call


def cosine_similarity(one: list[tuple[str, float]], other: list[tuple[str, float]]) -> float | None:
    if any(v is None for _, v in [*one, *other]):
        return None
    lengths = [math.sqrt(sum(v * v for _, v in m)) for m in (one, other)]
    if 0 in lengths:
        return None
    right = dict(other)
    return sum(v * right.get(k, 0.0) for k, v in one) / (lengths[0] * lengths[1])


def normal_cdf(mean: float, deviation: float, value: float) -> float:
    if not deviation > 0:
        raise fail("INVALID_FUNCTION_ARGUMENT", "standardDeviation must be > 0")
    return 0.5 * math.erfc(-(value - mean) / (deviation * math.sqrt(2)))


def quotient(one: int, other: int) -> int:
    """Towards zero."""
    if other == 0:
        raise fail("DIVISION_BY_ZERO", "Division by zero")
    result = abs(one) // abs(other)
    return result if (one < 0) == (other < 0) else -result


def remainder(one: int, other: int) -> int:
    """With the sign of the dividend."""
    if other == 0:
        raise fail("DIVISION_BY_ZERO", "Division by zero")
    result = abs(one) % abs(other)
    return -result if one < 0 else result


def decimal_remainder(one: Decimal, other: Decimal) -> Decimal:
    """With the sign of the dividend."""
    if other == 0:
        raise fail("DIVISION_BY_ZERO", "Division by zero")
    return WIDE.remainder(one, other)


def decimal_text(value: Decimal) -> str:
    return format(value, "f")


def decimal_quotient(type_: Type) -> Callable[[Decimal, Decimal], Decimal]:
    def call(one: Decimal, other: Decimal) -> Decimal:
        if other == 0:
            raise fail("DIVISION_BY_ZERO", "Division by zero")
        scale: int = 10**type_.scale
        top, bottom = one.as_integer_ratio()
        over, under = other.as_integer_ratio()
        numerator, denominator = abs(top * under) * scale, abs(bottom * over)
        digits = (2 * numerator + denominator) // (2 * denominator)
        if digits >= 10**38:
            raise fail("NUMERIC_VALUE_OUT_OF_RANGE", "Decimal overflow")
        value = Decimal(digits).scaleb(-type_.scale, WIDE)
        return value.copy_negate() if digits and (one < 0) != (other < 0) else value

    return call


def decimal_result(operator: str, type_: Type) -> Callable[[Decimal, Decimal], Decimal]:
    """``+ - *`` whose result may have too many digits."""

    def call(one: Decimal, other: Decimal) -> Decimal:
        if operator == "*":
            value = WIDE.multiply(one, other)
        else:
            value = WIDE.add(one, other) if operator == "+" else WIDE.subtract(one, other)
        result = value.quantize(Decimal(1).scaleb(-type_.scale), context=WIDE)
        if result.copy_abs() >= Decimal(10) ** (type_.precision - type_.scale):
            raise fail("NUMERIC_VALUE_OUT_OF_RANGE", "Decimal overflow")
        return result

    return call
