# ruff: noqa: E501 - tables are read by lines

"""Statements that nobody thought of: typed expressions over a table of values at the edges, from a seed."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

_SLOT = re.compile(r"\{([^{}]+)\}")
# A column of each type, and the values that a row may have in it.
VALUES = {
    "tinyint": ["0", "7", "-128", "127", "NULL"],
    "smallint": ["1", "-3", "32767", "NULL"],
    "integer": ["0", "1", "-7", "12", "2147483647", "NULL"],
    "bigint": ["0", "5", "-40", "9007199254740993", "-9223372036854775808", "NULL"],
    "double": ["0e0", "1.5e0", "-2.25e10", "1e-7", "nan()", "infinity()", "NULL"],
    "real": ["0", "0.1", "-3.5", "1e20", "nan()", "NULL"],
    "decimal(12,2)": ["0.00", "1.50", "-4010.05", "9999999999.99", "NULL"],
    "decimal(38,10)": ["0", "0.5", "-12345678901234567890.0123456789", "NULL"],
    "boolean": ["true", "false", "NULL"],
    "varchar": [
        "''",
        "'a'",
        "'Ab c'",
        "'  x '",
        "'12'",
        "'-3.50'",
        "'2020-02-29'",
        "'čß𝄞'",
        "'a%b_'",
        "NULL",
    ],
    "varchar(5)": ["''", "'abc'", "'zz  '", "'ABCDE'", "NULL"],
    "char(4)": ["''", "'a'", "'ab  '", "'wxyz'", "NULL"],
    "varbinary": ["X''", "X'00ff'", "X'616263'", "NULL"],
    "date": ["'2020-02-29'", "'1969-12-31'", "'2000-01-01'", "'9999-12-31'", "'0001-01-01'", "NULL"],
    "timestamp(3)": [
        "'2020-02-29 12:34:56.789'",
        "'1969-12-31 23:59:59.999'",
        "'2024-03-31 02:30:00'",
        "NULL",
    ],
    "timestamp(6)": ["'2021-06-30 23:59:59.999999'", "'1900-01-01 00:00:00.000001'", "NULL"],
    "timestamp(3) with time zone": [
        "'2024-03-31 01:30:00.000 Europe/Berlin'",
        "'2020-01-01 00:00:00.000 +05:30'",
        "'1999-12-31 23:59:59.999 UTC'",
        "NULL",
    ],
    "time(3)": ["'00:00:00'", "'23:59:59.999'", "'12:30:00.5'", "NULL"],
    "interval day to second": ["'1' day", "'-36' hour", "'90' second", "NULL"],
    "interval year to month": ["'1' year", "'-5' month", "NULL"],
    "array(integer)": ["ARRAY[]", "ARRAY[1]", "ARRAY[3, 1, NULL, 3]", "ARRAY[-1, 2, 5]", "NULL"],
    "array(varchar)": ["ARRAY[]", "ARRAY['b', 'a']", "ARRAY['x', NULL, '']", "NULL"],
    "array(double)": ["ARRAY[1.5e0, nan()]", "ARRAY[0e0, -3e0, 2e0]", "NULL"],
    "map(varchar,integer)": [
        "MAP()",
        "MAP(ARRAY['a'], ARRAY[1])",
        "MAP(ARRAY['k', ''], ARRAY[NULL, -2])",
        "NULL",
    ],
    "json": [
        'JSON \'{"a": [1, 2.50, null], "b": {"c": "x"}}\'',
        "JSON '[]'",
        "JSON '\"s\"'",
        "JSON '12'",
        "NULL",
    ],
    "row(x integer, y varchar)": ["ROW(1, 'p')", "ROW(NULL, '')", "ROW(-2, NULL)", "NULL"],
}
_LITERAL = {
    "date": "DATE",
    "timestamp(3)": "TIMESTAMP",
    "timestamp(6)": "TIMESTAMP",
    "timestamp(3) with time zone": "TIMESTAMP",
    "time(3)": "TIME",
    "interval day to second": "INTERVAL",
    "interval year to month": "INTERVAL",
}
COLUMNS = {kind: f"c{number}" for number, kind in enumerate(VALUES)}
# What may stand for a type that a production asks for loosely.
_KINDS = {
    "whole": ["tinyint", "smallint", "integer", "bigint"],
    "number": [
        "tinyint",
        "smallint",
        "integer",
        "bigint",
        "double",
        "real",
        "decimal(12,2)",
        "decimal(38,10)",
    ],
    "exact": ["integer", "bigint", "decimal(12,2)", "decimal(38,10)"],
    "text": ["varchar", "varchar", "varchar(5)", "char(4)"],
    "moment": ["date", "timestamp(3)", "timestamp(6)", "timestamp(3) with time zone"],
    "list": ["array(integer)", "array(varchar)", "array(double)"],
    "any": list(VALUES),
    "sorted": [
        *("integer", "bigint", "double", "real", "decimal(12,2)", "boolean", "varchar", "char(4)", "date"),
        *("timestamp(3)", "timestamp(6)", "timestamp(3) with time zone", "time(3)", "varbinary"),
    ],
}
_UNITS = ["'second'", "'minute'", "'hour'", "'day'", "'week'", "'month'", "'quarter'", "'year'"]
_SMALL = ["0", "1", "2", "3", "5", "-1", "-2", "10"]
_PATTERNS = ["'a'", "'[a-c]+'", "'(\\w)(\\w)?'", "'^\\s*'", "'.'", "'[^0-9]'", "'b|A'"]
_WORDS = {
    "unit": _UNITS,
    "small": _SMALL,
    "pattern": _PATTERNS,
    "like": ["'%'", "'a%'", "'_b%'", "'%a!%b!_' ESCAPE '!'", "''"],
    "zone": ["'UTC'", "'Europe/Berlin'", "'America/New_York'", "'+05:30'"],
    "format": ["'%Y-%m-%d'", "'%d.%m.%y %H:%i:%s'", "'%W %M %j'", "'%f'"],
    "java": ["'yyyy-MM-dd'", "'EEE dd MMM yyyy HH:mm:ss.SSS'", "'DDD'"],
    "path": ["'$.a'", "'$.a[1]'", "'$.b.c'", "'$'", "'$[0]'"],
    "compare": ["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"],
    "operator": ["+", "-", "*", "/", "%"],
}
# What gives each type; a slot is a type, one of the kinds, or one of the words. "{same}" repeats the slot before.
PRODUCTIONS = {
    "integer": ["CAST({number} AS integer)", "{integer} {operator} {integer}", "abs({integer})", "sign({integer})",
                "TRY(CAST({text} AS integer))", "{array(integer)}[1]", "element_at({array(integer)}, {small})",
                "reduce({array(integer)}, 0, (s, x) -> s + coalesce(x, 0), s -> s)", "array_max({array(integer)})",
                "{row(x integer, y varchar)}.x", "element_at({map(varchar,integer)}, {varchar})", "sign({bigint})"],
    "bigint": ["length({text})", "strpos({varchar}, {varchar})", "{bigint} {operator} {whole}", "cardinality({list})",
               "date_diff({unit}, {timestamp(3)}, {timestamp(3)})", "date_diff({unit}, {date}, {date})",
               "extract(year FROM {moment})", "day_of_week({moment})", "week({moment})", "year_of_week({moment})",
               "day_of_year({moment})", "quarter({moment})", "hour({timestamp(3) with time zone})",
               "second({time(3)})", "CAST({number} AS bigint)", "bitwise_and({bigint}, {whole})",
               "bitwise_xor({bigint}, {bigint})", "levenshtein_distance({varchar}, {varchar})",
               "array_position({array(integer)}, {integer})", "cardinality({map(varchar,integer)})",
               "json_array_length({json})", "json_size({json}, {path})", "codepoint(CAST('a' AS varchar(1)))",
               "bit_count({bigint}, 64)", "from_base(to_base(abs({integer}), 16), 16)", "length({varbinary})",
               "mod({bigint}, {integer})", "millisecond({timestamp(3)})", "day({interval day to second})",
               "regexp_count({varchar}, {pattern})", "regexp_position({varchar}, {pattern})"],
    "double": ["CAST({number} AS double)", "{double} {operator} {double}", "{double} {operator} {number}",
               "sqrt({double})", "power({double}, {small})", "round({double}, {small})", "floor({double})",
               "ceil({double})", "abs({double})", "exp({integer})", "ln({double})", "truncate({double})",
               "sign({double})", "to_unixtime({timestamp(3)})", "least({double}, {double})", "cbrt({double})",
               "greatest({double}, {double})", "TRY(CAST({varchar} AS double))", "log(2, {double})",
               "array_average({array(double)})", "element_at({array(double)}, {small})", "mod({double}, {double})"],
    "real": ["CAST({number} AS real)", "{real} {operator} {real}", "round({real}, {small})", "-{real}"],
    "decimal(12,2)": ["CAST({number} AS decimal(12,2))", "TRY(CAST({varchar} AS decimal(12,2)))"],
    "decimal(38,10)": ["CAST({number} AS decimal(38,10))"],
    "other": ["{exact} {operator} {exact}", "round({decimal(12,2)}, {small})", "abs({decimal(38,10)})",
              "truncate({decimal(12,2)})", "ceil({decimal(38,10)})", "{decimal(12,2)} {operator} {integer}",
              "{date} - {date}", "{timestamp(3)} - {timestamp(6)}", "typeof({any})", "mod({decimal(12,2)}, {integer})",
              "to_ieee754_64({double})", "array_agg({any}) OVER ()", "split({varchar}, {varchar})",
              "map_entries({map(varchar,integer)})", "zip({array(integer)}, {array(varchar)})", "-{decimal(12,2)}",
              "array_distinct({list})", "slice({list}, 1, 2)", "reverse({list})", "array_sort({array(varchar)})",
              "transform({array(integer)}, x -> x * {integer})", "filter({array(varchar)}, x -> x > {varchar})",
              "map_filter({map(varchar,integer)}, (k, v) -> v > {integer})", "map_keys({map(varchar,integer)})",
              "sequence({date}, {date} + INTERVAL '3' day)", "CAST({any} AS json)", "{list}", "ngrams({array(varchar)}, 2)",
              "CAST({json} AS array(json))", "map_concat({map(varchar,integer)}, {map(varchar,integer)})",
              "regexp_extract_all({varchar}, {pattern})", "regexp_split({varchar}, {pattern})",
              "array_union({array(integer)}, {array(integer)})", "array_except({array(varchar)}, {array(varchar)})",
              "flatten(ARRAY[{array(integer)}, {array(integer)}])", "combinations({array(integer)}, 2)",
              "split_to_map('a=1,b=2', ',', '=')", "transform_values({map(varchar,integer)}, (k, v) -> k)"],
    "boolean": ["{sorted} {compare} {same}", "{number} {compare} {number}", "{text} {compare} {text}",
                "{boolean} AND {boolean}", "{boolean} OR {boolean}", "NOT {boolean}", "{any} IS NULL",
                "{varchar} LIKE {like}", "regexp_like({varchar}, {pattern})", "{sorted} BETWEEN {same} AND {same}",
                "{integer} IN (1, {whole})", "{varchar} IN ('a', {text})", "contains({array(integer)}, {integer})", "starts_with({varchar}, {varchar})",
                "any_match({array(integer)}, x -> x > {integer})", "is_nan({double})", "{list} = {same}",
                "arrays_overlap({array(integer)}, {array(integer)})", "is_json_scalar({json})", "{moment} {compare} {moment}",
                "all_match({array(varchar)}, x -> x <> {varchar})", "TRY(CAST({varchar} AS boolean))", "{map(varchar,integer)} = {same}"],
    "varchar": ["CAST({any} AS varchar)", "{text} || {text}", "upper({text})", "lower({varchar})", "trim({text})",
                "substr({varchar}, {small})", "substr({text}, {small}, {small})", "replace({varchar}, {varchar}, {varchar})",
                "lpad({varchar}, 6, 'ab')", "rpad({varchar}, 4, 'x')", "reverse({varchar})", "split_part({varchar}, ' ', 1)",
                "regexp_replace({varchar}, {pattern}, '<$0>')", "regexp_extract({varchar}, {pattern})", "concat_ws('-', {varchar}, {varchar})",
                "date_format({timestamp(3)}, {format})", "format_datetime({timestamp(3)}, {java})", "to_hex({varbinary})",
                "array_join({list}, ',', 'n')", "json_extract_scalar({json}, {path})", "json_format({json})", "chr(97)",
                "translate({varchar}, 'ab', 'x')", "CAST({number} AS varchar)", "ltrim({varchar}, ' a')", "normalize({varchar})",
                "to_iso8601({moment})", "format('%s %05d', {varchar}, {integer})", "coalesce({varchar}, {varchar})", "to_base({integer}, 2)",
                "CASE WHEN {boolean} THEN {varchar} ELSE {text} END", "nullif({varchar}, {varchar})", "if({boolean}, {varchar})",
                "{row(x integer, y varchar)}.y", "url_encode({varchar})", "to_base64({varbinary})", "CAST({moment} AS varchar)",
                "greatest({varchar}, {varchar})", "from_utf8({varbinary})", "json_format(CAST({any} AS json))"],
    "varchar(5)": ["CAST({text} AS varchar(5))"],
    "char(4)": ["CAST({text} AS char(4))"],
    "varbinary": ["to_utf8({varchar})", "md5({varbinary})", "sha256({varbinary})", "CAST({varchar} AS varbinary)", "reverse({varbinary})"],
    "date": ["CAST({moment} AS date)", "{date} + INTERVAL '1' day", "date_add({unit}, {small}, {date})", "date_trunc({unit}, {date})",
             "last_day_of_month({moment})", "{date} - {interval year to month}", "TRY(CAST({varchar} AS date))", "date_add('month', {small}, {date})"],
    "timestamp(3)": ["CAST({moment} AS timestamp(3))", "{timestamp(3)} + {interval day to second}", "date_trunc({unit}, {timestamp(3)})",
                     "date_add({unit}, {small}, {timestamp(3)})", "{timestamp(3)} - {interval year to month}", "CAST({time(3)} AS timestamp(3))"],
    "timestamp(6)": ["CAST({moment} AS timestamp(6))", "date_trunc({unit}, {timestamp(6)})", "{timestamp(6)} + {interval day to second}"],
    "timestamp(3) with time zone": ["{timestamp(3) with time zone} AT TIME ZONE {zone}", "with_timezone({timestamp(3)}, {zone})",
                                    "date_trunc({unit}, {timestamp(3) with time zone})", "from_unixtime({double})",
                                    "{timestamp(3) with time zone} + {interval day to second}", "CAST({timestamp(3)} AS timestamp(3) with time zone)",
                                    "date_add({unit}, {small}, {timestamp(3) with time zone})"],
    "time(3)": ["{time(3)} + {interval day to second}", "date_trunc('minute', {time(3)})"],
    "interval day to second": ["{interval day to second} * {integer}", "-{interval day to second}", "{interval day to second} + {interval day to second}"],
    "interval year to month": ["{interval year to month} * {small}", "{interval year to month} - {interval year to month}"],
    "array(integer)": ["array_sort({array(integer)})", "{array(integer)} || {integer}", "array_remove({array(integer)}, {integer})", "ARRAY[{integer}, {integer}]",
                       "filter({array(integer)}, x -> x > {integer})", "map_values({map(varchar,integer)})", "CAST({array(double)} AS array(integer))"],
    "array(varchar)": ["ARRAY[{varchar}, {varchar}]", "CAST({array(integer)} AS array(varchar))", "split({varchar}, ' ')", "transform({array(varchar)}, x -> upper(x))"],
    "array(double)": ["CAST({array(integer)} AS array(double))", "array_sort({array(double)})"],
    "map(varchar,integer)": ["MAP(ARRAY['q'], ARRAY[{integer}])", "map_filter({map(varchar,integer)}, (k, v) -> v IS NOT NULL)", "transform_values({map(varchar,integer)}, (k, v) -> v + 1)"],
    "json": ["json_extract({json}, {path})", "TRY(json_parse({varchar}))", "CAST({any} AS json)", "json_array_get({json}, {small})"],
    "row(x integer, y varchar)": ["CAST(ROW({integer}, {varchar}) AS row(x integer, y varchar))"],
}  # fmt: skip
_AGGREGATES = [
    "count({any})", "count(DISTINCT {sorted})", "sum({exact})", "sum({double})", "min({sorted})", "max({sorted})", "bool_or({boolean})",
    "array_agg({any} ORDER BY {sorted})", "max_by({any}, {sorted})", "avg({exact})", "count_if({boolean})", "arbitrary({boolean} IS NULL)",
    "array_agg({sorted} ORDER BY {same} DESC NULLS FIRST)", "sum({whole}) FILTER (WHERE {boolean})", "approx_distinct({sorted}) > 0",
    "listagg({varchar}, ',') WITHIN GROUP (ORDER BY {varchar})", "stddev({double})", "geometric_mean({integer})", "checksum({whole})",
    "histogram({varchar(5)})", "map_agg({varchar}, {integer})", "bitwise_or_agg({whole})", "every({boolean})", "min_by({varchar}, {bigint})",
    "variance({integer})", "corr({double}, {integer})", "approx_percentile({integer}, 0.5)", "sum({decimal(38,10)})", "max({integer}, 2)",
]  # fmt: skip
_WINDOWS = [
    "row_number() OVER (ORDER BY {sorted}, i)", "rank() OVER (PARTITION BY {boolean} ORDER BY {sorted})", "ntile(3) OVER (ORDER BY i)",
    "sum({whole}) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)", "lag({any}, 1) OVER (ORDER BY i)", "percent_rank() OVER (ORDER BY {sorted})",
    "first_value({any}) IGNORE NULLS OVER (ORDER BY i)", "dense_rank() OVER (ORDER BY {sorted} DESC)", "count({any}) OVER (ORDER BY {sorted} RANGE UNBOUNDED PRECEDING)",
    "nth_value({any}, 2) OVER (ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)", "max({sorted}) OVER (PARTITION BY {boolean})",
    "sum({integer}) OVER (ORDER BY {integer} RANGE BETWEEN 2 PRECEDING AND 1 FOLLOWING)", "lead({sorted}, 2, {same}) OVER (ORDER BY i)",
]  # fmt: skip
_ROWS = 6


class Writer:
    """Writes statements.

    Parameters
    ----------
    seed : int
        The same one writes the same statements.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def statements(self, count: int) -> Iterator[str]:
        """Statements; each has one expression, so that what differs is known by it."""
        for _ in range(count):
            yield self._statement()

    def _statement(self) -> str:
        chance = self._random.random()
        if chance < 0.6:
            kind = self._random.choice(list(PRODUCTIONS))
            return self._over(f"SELECT i, {self._made(kind, 2)} AS x FROM {{t}} ORDER BY i")
        if chance < 0.75:
            return self._over(f"SELECT {self._filled(self._random.choice(_AGGREGATES), 1)} AS x FROM {{t}}")
        if chance < 0.83:
            group = self._random.choice(_KINDS["sorted"])
            aggregate = self._filled(self._random.choice(_AGGREGATES), 0)
            key = self._expression(group, 1)
            return self._over(f"SELECT {key} AS k, {aggregate} AS x FROM {{t}} GROUP BY 1 ORDER BY 1, 2")
        if chance < 0.92:
            window = self._filled(self._random.choice(_WINDOWS), 1)
            return self._over(f"SELECT i, {window} AS x FROM {{t}} ORDER BY i")
        key = self._expression(self._random.choice(_KINDS["sorted"]), 1)
        way = self._random.choice(["", " DESC", " NULLS FIRST", " DESC NULLS LAST"])
        if chance < 0.96:
            return self._over(
                f"SELECT i, {key} AS x FROM {{t}} WHERE {self._made('boolean', 1)} ORDER BY 2{way}, 1"
            )
        return self._over(f"SELECT DISTINCT {key} AS x FROM {{t}} ORDER BY 1{way}")

    def _made(self, kind: str, depth: int) -> str:
        return self._filled(self._random.choice(PRODUCTIONS[kind]), depth)

    def _expression(self, kind: str, depth: int) -> str:
        """A column of a type, or something that gives it."""
        if depth <= 0 or kind not in PRODUCTIONS or self._random.random() < 0.5:
            return COLUMNS[kind]
        return f"({self._made(kind, depth)})"

    def _filled(self, template: str, depth: int) -> str:
        last = ""

        def fill(found: re.Match[str]) -> str:
            nonlocal last
            slot = found[1]
            if slot in _WORDS:
                return self._random.choice(_WORDS[slot])
            if slot != "same":
                last = self._random.choice(_KINDS[slot]) if slot in _KINDS else slot
            return self._expression(last, depth - 1)

        return _SLOT.sub(fill, template)

    def _over(self, statement: str) -> str:
        """The statement over a table of those columns that it names."""
        used = [kind for kind, name in COLUMNS.items() if re.search(rf"\b{name}\b", statement)]
        rows = ", ".join(
            f"({', '.join([str(i), *(self._value(kind) for kind in used)])})" for i in range(1, _ROWS + 1)
        )
        names = ", ".join(["i", *(COLUMNS[kind] for kind in used)])
        return statement.replace("{t}", f"(VALUES {rows}) AS t ({names})")

    def _value(self, kind: str) -> str:
        text = self._random.choice(VALUES[kind])
        if text != "NULL" and kind in _LITERAL:
            text = f"{_LITERAL[kind]} {text}"
        return f"CAST({text} AS {kind})"
