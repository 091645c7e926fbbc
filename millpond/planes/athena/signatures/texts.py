"""String and regular expression functions, URLs, and text of other kinds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from millpond.planes.athena.casts import coerce, padded
from millpond.planes.athena.exceptions import QueryFailed
from millpond.planes.athena.kernels import patterns, text, urls
from millpond.planes.athena.relations import Typed
from millpond.planes.athena.signatures.overloads import (
    Body,
    Overload,
    first,
    kernel,
    list_of_text_like,
    native_if,
    one,
    text_like,
)
from millpond.planes.athena.types import (
    BIGINT,
    BOOLEAN,
    DECIMAL_SIZE,
    DOUBLE,
    INTEGER,
    INTERVAL_DAY,
    MAX_CHAR_LENGTH,
    VARBINARY,
    VARCHAR,
    Type,
    array,
    char,
    literal,
    map_of,
    varchar,
)

Arguments = Sequence[Typed]
_MOST_OF_SUBSTR = 2**32


def _is_small_start(given: Arguments) -> bool:
    """Whether DuckDB's ``substr`` is Trino's: a start above zero, no negative length, each of 32 bits."""
    sizes = zip([argument.number for argument in given[1:]], (1, 0), strict=False)
    return all(size is not None and least <= size < _MOST_OF_SUBSTR for size, least in sizes)


def _substr(function: Callable[..., object], count: int) -> Body:
    template = "substr({0}, {1}, {2})" if count == 3 else "substr({0}, {1})"
    return native_if(_is_small_start, template, kernel(function))


_SUBSTRING = [
    Overload((VARCHAR, BIGINT), text_like, _substr(text.substr, 2)),
    Overload((VARCHAR, BIGINT, BIGINT), text_like, _substr(text.substr_length, 3)),
    Overload(("char", BIGINT), text_like, _substr(text.substr, 2)),
    Overload(("char", BIGINT, BIGINT), text_like, _substr(text.substr_length, 3)),
]
_SUBSTR_OF_BYTES = [
    Overload((VARBINARY, BIGINT), VARBINARY, kernel(text.substr_bytes)),
    Overload((VARBINARY, BIGINT, BIGINT), VARBINARY, kernel(text.substr_bytes_length)),
]


def _trimmed(name: str, function: Callable[[str, str], str]) -> list[Overload]:
    white = literal(text.WHITESPACE)

    def of_char(given: Arguments, _result: Type) -> str:
        return f"{name}(rtrim({given[0].sql}, ' '), {white})"

    def of_char_with(given: Arguments, _result: Type) -> str:
        plain = Typed(f"rtrim({given[0].sql}, ' ')", VARCHAR)
        body = kernel(function)
        assert callable(body)
        return body([plain, given[1]], VARCHAR)

    return [
        Overload((VARCHAR,), text_like, f"{name}({{0}}, {white})"),
        Overload(("char",), text_like, of_char),
        Overload((VARCHAR, "text"), text_like, kernel(function)),
        Overload(("char", "text"), text_like, of_char_with),
    ]


def _joined(given: Arguments, _result: Type) -> str:
    return "(" + " || ".join(argument.sql for argument in given) + ")"


def _joined_chars(types: Sequence[Type]) -> Type:
    length = sum(char(type_.precision).precision for type_ in types)
    if length > MAX_CHAR_LENGTH:
        message = f"CHAR length must be in range [0, {MAX_CHAR_LENGTH}], got {length}"
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", message)
    return char(length)


def _concat_chars(given: Arguments, result: Type) -> str:
    return _joined([coerce(argument, char(argument.type.precision)) for argument in given], result)


def _of_same_length(template: str) -> list[Overload]:
    return [
        Overload((VARCHAR,), text_like, template),
        Overload(("char",), first, lambda given, result: padded(template.format(given[0].sql), result)),
    ]


def _upper(argument: str) -> str:
    # DuckDB has a capital ß, which Java's upper case has not.
    return f"replace(upper(replace({argument}, 'ß', '\ue0df')), '\ue0df', 'ß')"


def _is_simple_pattern(given: Arguments) -> bool:
    return given[1].text is not None and patterns.is_simple(given[1].text)


def _replaced(types: Sequence[Type]) -> Type:
    """The longest text that a replacement of each character, and of the ends, can give."""
    if any(type_.precision >= 2**31 - 1 for type_ in types):
        return VARCHAR
    size, _, new = (type_.precision for type_ in types)
    return varchar(min(2**31 - 1, size + new * (size + 1)))


# A pattern may be a char, whose blanks belong to it.
_PATTERN = "text"


def _pattern(function: Callable[..., object], result: object, *more: Type) -> Overload:
    return Overload((VARCHAR, _PATTERN, *more), result, kernel(function))  # type: ignore[arg-type]


TEXTS: dict[str, list[Overload]] = {
    "chr": one([BIGINT], varchar(1), kernel(text.chr_)),
    "codepoint": one([VARCHAR], INTEGER, kernel(text.codepoint)),
    "concat": [
        Overload((VARCHAR, VARCHAR), VARCHAR, _joined, True),
        Overload(("text", "text"), _joined_chars, _concat_chars),
        Overload((VARBINARY, VARBINARY), VARBINARY, _joined, True),
    ],
    "concat_ws": [
        Overload((VARCHAR,), VARCHAR, kernel(text.concat_ws_nothing)),
        Overload((VARCHAR, array(VARCHAR)), VARCHAR, kernel(text.concat_ws_list, takes_null=True)),
        Overload((VARCHAR, VARCHAR), VARCHAR, kernel(text.concat_ws, takes_null=True), True),
    ],
    "format_number": one([DOUBLE], VARCHAR, kernel(text.format_number)),
    "from_utf8": [
        Overload((VARBINARY,), VARCHAR, kernel(text.from_utf8)),
        Overload((VARBINARY, VARCHAR), VARCHAR, kernel(text.from_utf8_replacing)),
        Overload((VARBINARY, BIGINT), VARCHAR, kernel(text.from_utf8_code)),
    ],
    "hamming_distance": one([VARCHAR, VARCHAR], BIGINT, kernel(text.hamming_distance)),
    "human_readable_seconds": one([DOUBLE], VARCHAR, kernel(text.human_readable_seconds)),
    "length": [
        Overload((VARCHAR,), BIGINT, "length({0})"),
        Overload(("char",), BIGINT, lambda given, _: f"length({coerce(given[0], given[0].type).sql})"),
        Overload((VARBINARY,), BIGINT, "octet_length({0})"),
    ],
    "levenshtein_distance": one([VARCHAR, VARCHAR], BIGINT, kernel(text.levenshtein_distance)),
    "lower": _of_same_length("lower({0})"),
    "lpad": [
        Overload((VARCHAR, BIGINT, VARCHAR), VARCHAR, kernel(text.lpad)),
        Overload((VARBINARY, BIGINT, VARBINARY), VARBINARY, kernel(text.lpad_bytes)),
    ],
    "ltrim": _trimmed("ltrim", text.ltrim),
    "luhn_check": one([VARCHAR], BOOLEAN, kernel(text.luhn_check)),
    "parse_data_size": one([VARCHAR], DECIMAL_SIZE, kernel(text.parse_data_size)),
    "parse_presto_data_size": one([VARCHAR], DECIMAL_SIZE, kernel(text.parse_data_size)),
    "parse_duration": one([VARCHAR], INTERVAL_DAY, kernel(text.parse_duration)),
    "replace": [
        Overload(
            (VARCHAR, VARCHAR),
            text_like,
            native_if(
                lambda given: bool(given[1].text),
                "replace({0}, {1}, '')",
                lambda given, result: kernel(text.replace)([*given, Typed("''", VARCHAR)], result),  # type: ignore[operator]
            ),
        ),
        Overload(
            (VARCHAR, VARCHAR, VARCHAR),
            VARCHAR,
            native_if(lambda given: bool(given[1].text), "replace({0}, {1}, {2})", kernel(text.replace)),
        ),
    ],
    "reverse": [
        Overload((VARCHAR,), text_like, kernel(text.reverse)),
        Overload(("char",), lambda types: types[0], kernel(text.reverse)),
    ],
    "rpad": [
        Overload((VARCHAR, BIGINT, VARCHAR), VARCHAR, kernel(text.rpad)),
        Overload((VARBINARY, BIGINT, VARBINARY), VARBINARY, kernel(text.rpad_bytes)),
    ],
    "rtrim": _trimmed("rtrim", text.rtrim),
    "normalize": one([VARCHAR, VARCHAR], VARCHAR, kernel(text.normalize)),
    "soundex": one([VARCHAR], varchar(4), kernel(text.soundex)),
    "split": [
        Overload(
            (VARCHAR, VARCHAR),
            list_of_text_like,
            native_if(lambda given: bool(given[1].text), "string_split({0}, {1})", kernel(text.split)),
        ),
        Overload((VARCHAR, VARCHAR, BIGINT), list_of_text_like, kernel(text.split_limit)),
    ],
    "split_part": one([VARCHAR, VARCHAR, BIGINT], text_like, kernel(text.split_part)),
    "split_to_map": one([VARCHAR] * 3, map_of(VARCHAR, VARCHAR), kernel(text.split_to_map)),
    "split_to_multimap": one([VARCHAR] * 3, map_of(VARCHAR, array(VARCHAR)), kernel(text.split_to_multimap)),
    "starts_with": one([VARCHAR, VARCHAR], BOOLEAN, "starts_with({0}, {1})"),
    "strpos": [
        Overload((VARCHAR, VARCHAR), BIGINT, "strpos({0}, {1})"),
        Overload((VARCHAR, VARCHAR, BIGINT), BIGINT, kernel(text.strpos)),
    ],
    "substr": [*_SUBSTRING, *_SUBSTR_OF_BYTES],
    "substring": _SUBSTRING,
    "to_utf8": one(["text"], VARBINARY, "encode({0})"),
    "translate": one([VARCHAR, VARCHAR, VARCHAR], VARCHAR, kernel(text.translate)),
    "trim": _trimmed("trim", text.trim),
    "upper": _of_same_length(_upper("{0}")),
    "url_decode": one([VARCHAR], text_like, kernel(urls.decode)),
    "url_encode": one([VARCHAR], VARCHAR, kernel(urls.encode)),
    "url_extract_fragment": one([VARCHAR], text_like, kernel(urls.extract_fragment)),
    "url_extract_host": one([VARCHAR], text_like, kernel(urls.extract_host)),
    "url_extract_parameter": one([VARCHAR, VARCHAR], text_like, kernel(urls.extract_parameter)),
    "url_extract_path": one([VARCHAR], text_like, kernel(urls.extract_path)),
    "url_extract_port": one([VARCHAR], BIGINT, kernel(urls.extract_port)),
    "url_extract_protocol": one([VARCHAR], text_like, kernel(urls.extract_protocol)),
    "url_extract_query": one([VARCHAR], text_like, kernel(urls.extract_query)),
}

PATTERNS: dict[str, list[Overload]] = {
    "regexp_count": [_pattern(patterns.count, BIGINT)],
    "regexp_extract": [
        _pattern(patterns.extract, text_like),
        _pattern(patterns.extract_group, text_like, BIGINT),
    ],
    "regexp_extract_all": [
        _pattern(patterns.extract_all, list_of_text_like),
        _pattern(patterns.extract_all_group, list_of_text_like, BIGINT),
    ],
    "regexp_like": one(
        [VARCHAR, _PATTERN],
        BOOLEAN,
        native_if(_is_simple_pattern, "regexp_matches({0}, {1})", kernel(patterns.like)),
    ),
    "regexp_position": [
        Overload((VARCHAR, _PATTERN), INTEGER, kernel(patterns.position)),
        Overload((VARCHAR, _PATTERN, INTEGER), INTEGER, kernel(patterns.position_from)),
        Overload((VARCHAR, _PATTERN, INTEGER, INTEGER), INTEGER, kernel(patterns.position_nth)),
    ],
    "regexp_replace": [
        _pattern(patterns.remove, text_like),
        Overload((VARCHAR, _PATTERN, VARCHAR), _replaced, kernel(patterns.replace)),
    ],
    "regexp_split": [_pattern(patterns.split, list_of_text_like)],
}
