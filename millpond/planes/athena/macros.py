"""DuckDB macros that say what a Trino function does where DuckDB has none that does the same.

Each follows the description of the function in Trino's reference, "Functions and operators".
"""

from __future__ import annotations

import re

_DIGITS = "[+-]?[0-9]+"

MACROS: tuple[str, ...] = (
    # Integers: Trino fails where DuckDB answers NULL.
    """trino_integer_divide(a, b) AS
       CASE WHEN b = 0 THEN error('DIVISION_BY_ZERO: Division by zero') ELSE a // b END""",
    """trino_modulus(a, b) AS
       CASE WHEN b = 0 THEN error('DIVISION_BY_ZERO: Division by zero') ELSE a % b END""",
    # Decimals: quotient of two unscaled values, times ten to the k, rounded half away from zero.
    """trino_ratio(a, b, power) AS
       CASE WHEN b = 0 THEN error('DIVISION_BY_ZERO: Division by zero')
       ELSE (abs(a) // abs(b)) * power * sign(a) * sign(b)
            + (2 * (abs(a) % abs(b)) * power + abs(b)) // (2 * abs(b)) * sign(a) * sign(b) END""",
    f"""trino_digits(s) AS CASE WHEN s IS NULL OR regexp_full_match(s, '{_DIGITS}') THEN s
        ELSE error('INVALID_CAST_ARGUMENT: Cannot cast ''' || s || ''' to a number') END""",
    f"trino_digits_or_null(s) AS CASE WHEN regexp_full_match(s, '{_DIGITS}') THEN s END",
    # Floating point as text: 1.0E10, one digit before the point and at least one after.
    """trino_scientific(negative, digits, exponent) AS
       CASE WHEN negative THEN '-' ELSE '' END || substr(digits, 1, 1) || '.'
       || CASE WHEN length(digits) > 1 THEN substr(digits, 2) ELSE '0' END || 'E' || exponent""",
    """trino_shortest(negative, mantissa, exponent) AS trino_scientific(
         negative,
         CASE WHEN trim(replace(mantissa, '.', ''), '0') = '' THEN '0'
              ELSE trim(replace(mantissa, '.', ''), '0') END,
         CASE WHEN strpos(mantissa, '.') = 0 THEN length(mantissa) ELSE strpos(mantissa, '.') - 1 END
         - (length(replace(mantissa, '.', '')) - length(ltrim(replace(mantissa, '.', ''), '0')))
         - 1 + exponent)""",
    """trino_float_text(x, s) AS
       CASE WHEN isnan(x) THEN 'NaN'
            WHEN isinf(x) THEN CASE WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END
            WHEN x = 0 THEN CASE WHEN starts_with(s, '-') THEN '-0E0' ELSE '0E0' END
            ELSE trino_shortest(x < 0, split_part(ltrim(s, '-'), 'e', 1),
                                coalesce(TRY_CAST(split_part(s, 'e', 2) AS INTEGER), 0)) END""",
    "trino_double_text(x) AS trino_float_text(x, CAST(x AS VARCHAR))",
    "trino_real_text(x) AS trino_float_text(x, CAST(x AS VARCHAR))",
    """trino_timestamp_text(t, digits) AS
       strftime(t, '%Y-%m-%d %H:%M:%S')
       || CASE WHEN digits = 0 THEN '' ELSE '.' || substr(strftime(t, '%f'), 1, digits) END""",
    # Text.
    """trino_char(s, size) AS
       rpad(rtrim(s, ' '), CAST(greatest(length(rtrim(s, ' ')), size) AS INTEGER), ' ')""",
    """trino_stored_char(s, size) AS
       CASE WHEN length(rtrim(s, ' ')) > size
              THEN error('INVALID_CAST_ARGUMENT: Cannot truncate non-space characters on INSERT')
            ELSE rpad(s, size, ' ') END""",
    """trino_substr(s, start) AS
       CASE WHEN start > 0 THEN substr(s, start)
            WHEN start = 0 OR -start > length(s) THEN substr(s, 1, 0)
            ELSE substr(s, length(s) + start + 1) END""",
    """trino_substr_length(s, start, size) AS
       CASE WHEN size <= 0 THEN substr(s, 1, 0)
            WHEN start > 0 THEN substr(s, start, size)
            WHEN start = 0 OR -start > length(s) THEN substr(s, 1, 0)
            ELSE substr(s, length(s) + start + 1, size) END""",
    """trino_substr_bytes(s, start, size) AS
       CASE WHEN size <= 0 OR start = 0 OR abs(start) > octet_length(s) THEN ''::BLOB
            ELSE unhex(substr(hex(s),
                 CASE WHEN start > 0 THEN 2 * start - 1 ELSE 2 * (octet_length(s) + start) + 1 END,
                 2 * size)) END""",
    """trino_split_part(s, delimiter, n) AS
       CASE WHEN n <= 0 THEN error('INVALID_FUNCTION_ARGUMENT: Index must be greater than zero')
            WHEN n > len(string_split(s, delimiter)) THEN NULL
            ELSE split_part(s, delimiter, n) END""",
    """trino_lpad(s, size, fill) AS
       CASE WHEN length(s) >= size THEN substr(s, 1, size) ELSE lpad(s, CAST(size AS INTEGER), fill) END""",
    """trino_rpad(s, size, fill) AS
       CASE WHEN length(s) >= size THEN substr(s, 1, size) ELSE rpad(s, CAST(size AS INTEGER), fill) END""",
    """trino_regexp_extract(s, pattern, g) AS
       CASE WHEN regexp_matches(s, pattern) THEN regexp_extract(s, pattern, g) END""",
    """trino_from_base(s, radix) AS
       CASE WHEN radix NOT BETWEEN 2 AND 36
              THEN error('INVALID_FUNCTION_ARGUMENT: Radix must be between 2 and 36')
            WHEN s IS NULL THEN NULL
            WHEN radix = 16 AND regexp_full_match(s, '[0-9a-fA-F]{1,15}') THEN CAST('0x' || s AS BIGINT)
            WHEN s = '' OR len(list_filter(string_split(lower(ltrim(s, '-+')), ''), lambda c:
                   strpos(substr('0123456789abcdefghijklmnopqrstuvwxyz', 1, radix), c) = 0)) > 0
              THEN error('INVALID_FUNCTION_ARGUMENT: Not a valid base-' || radix || ' number: ' || s)
            ELSE CAST(list_reduce(list_transform(string_split(lower(ltrim(s, '-+')), ''), lambda c:
                   CAST(strpos('0123456789abcdefghijklmnopqrstuvwxyz', c) - 1 AS HUGEINT)),
                   lambda x, y: x * radix + y) AS BIGINT) * CASE WHEN starts_with(s, '-') THEN -1 ELSE 1 END
       END""",
    """trino_to_base(n, radix) AS
       CASE WHEN n < 0 THEN '-' ELSE '' END || lower(to_base(abs(n), CAST(radix AS INTEGER)))""",
    # Arrays and maps.
    """trino_element(a, i) AS
       CASE WHEN i = 0 THEN error('INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1')
            WHEN i < 0 THEN error('INVALID_FUNCTION_ARGUMENT: Array subscript is negative: ' || i)
            WHEN i > len(a) THEN error('INVALID_FUNCTION_ARGUMENT: Array subscript must be less than or '
                                       || 'equal to array length: ' || i || ' > ' || len(a))
            ELSE a[i] END""",
    """trino_element_at(a, i) AS
       CASE WHEN i = 0 THEN error('INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1')
            ELSE list_extract(a, i) END""",
    """trino_map_element(m, k) AS
       CASE WHEN m IS NULL OR k IS NULL THEN NULL
            WHEN len(map_extract(m, k)) = 0
              THEN error('INVALID_FUNCTION_ARGUMENT: Key not present in map: ' || CAST(k AS VARCHAR))
            ELSE map_extract(m, k)[1] END""",
    """trino_contains(a, x) AS
       CASE WHEN a IS NULL OR x IS NULL THEN NULL WHEN list_contains(a, x) THEN true
            WHEN len(list_filter(a, lambda e: e IS NULL)) > 0 THEN NULL ELSE false END""",
    """trino_array_join(a, delimiter) AS
       CASE WHEN a IS NULL THEN NULL ELSE coalesce(array_to_string(a, delimiter), '') END""",
    """trino_list_concat(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL ELSE list_concat(a, b) END""",
    """trino_any_match(l) AS
       CASE WHEN l IS NULL THEN NULL WHEN list_contains(l, true) THEN true
            WHEN len(list_filter(l, lambda e: e IS NULL)) > 0 THEN NULL ELSE false END""",
    """trino_all_match(l) AS
       CASE WHEN l IS NULL THEN NULL WHEN list_contains(l, false) THEN false
            WHEN len(list_filter(l, lambda e: e IS NULL)) > 0 THEN NULL ELSE true END""",
    """trino_array_extreme(a, value) AS
       CASE WHEN len(list_filter(a, lambda e: e IS NULL)) > 0 THEN NULL ELSE value END""",
    # JSON: a path to an object, an array or null is no scalar.
    """trino_json_scalar(j, path) AS
       CASE WHEN json_type(j, path) IN ('OBJECT', 'ARRAY', 'NULL') THEN NULL
            ELSE json_extract_string(j, path) END""",
)


_NAME = re.compile(r"\w+")
_FAILING = frozenset(_NAME.match(macro)[0] for macro in MACROS if "error(" in macro)  # type: ignore[index]


def create_macros() -> list[str]:
    """The statements that define them all, those that can fail also as ones that answer NULL instead."""
    forgiving = [without_errors(macro) for macro in MACROS if "error(" in macro]
    return [f"CREATE TEMP MACRO {macro}" for macro in ("trino_null(message) AS NULL", *MACROS, *forgiving)]


def without_errors(sql: str) -> str:
    """SQL that answers NULL where the macros in it would fail: DuckDB's ``TRY`` refuses ``error()``."""
    renamed = re.sub(r"\btrino_\w+", lambda m: f"try_{m[0]}" if m[0] in _FAILING else m[0], sql)
    return re.sub(r"(?<!\w)error\(", "trino_null(", renamed)
