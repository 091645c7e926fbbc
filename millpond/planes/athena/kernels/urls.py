"""Trino's URL functions, after java.net.URI; reference: "URL functions"."""

from __future__ import annotations

import re
from urllib.parse import quote_plus, unquote_to_bytes

from millpond.planes.athena.kernels import fail

_URI = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL
)
_LEGAL = re.compile(r"(?:[A-Za-z0-9\-_.!~*'(),;:$&+=?/\[\]@#]|%[0-9A-Fa-f]{2}|[^\x00-\x7f\s\x80-\x9f])*")


def _parts(url: str) -> re.Match[str] | None:
    """The parts of a URL; None where Java's URI does not read it."""
    if not _LEGAL.fullmatch(url) or url.count("#") > 1:
        return None
    found = _URI.fullmatch(url)
    if found is None or (found[1] and not url[len(found[1]) + 1 :]):
        return None
    if found[1] is None and ":" in url.split("/")[0].split("?")[0].split("#")[0]:
        return None
    if found[2] is not None and not found[2] and not found[3]:
        return None
    if any(c in (found[3] or "") for c in "[]"):
        return None
    return found


def _is_opaque(found: re.Match[str]) -> bool:
    return bool(found[1]) and found[2] is None and not found[3].startswith("/")


def _host_port(found: re.Match[str]) -> tuple[str, str]:
    authority = (found[2] or "").rpartition("@")[2]
    match = re.fullmatch(
        r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9.])?)(?::(\d*))?", authority
    )
    return (match[1], match[3] or "") if match else ("", "")


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", errors="replace")


def extract_protocol(url: str) -> str | None:
    found = _parts(url)
    return None if found is None else found[1] or ""


def extract_host(url: str) -> str | None:
    found = _parts(url)
    return None if found is None else _host_port(found)[0]


def extract_port(url: str) -> int | None:
    found = _parts(url)
    port = _host_port(found)[1] if found else ""
    return int(port) if port else None


def extract_path(url: str) -> str | None:
    found = _parts(url)
    if found is None:
        return None
    return "" if _is_opaque(found) else _decoded(found[3])


def extract_query(url: str) -> str | None:
    found = _parts(url)
    if found is None:
        return None
    return "" if _is_opaque(found) else _decoded(found[4] or "")


def extract_fragment(url: str) -> str | None:
    found = _parts(url)
    return None if found is None else _decoded(found[5] or "")


def extract_parameter(url: str, name: str) -> str | None:
    found = _parts(url)
    if found is None or found[4] is None or _is_opaque(found):
        return None
    for part in found[4].split("&"):
        key, _, value = part.partition("=")
        if key and decode(key) == name:
            return decode(value)
    return None


def encode(text: str) -> str:
    return quote_plus(text, safe="*").replace("~", "%7E")


def decode(text: str) -> str:
    found = re.search(r"%(?![0-9A-Fa-f]{2})(.{0,2})", text, re.DOTALL)
    if found:
        if len(found[1]) < 2:
            raise fail("INVALID_FUNCTION_ARGUMENT", "URLDecoder: Incomplete trailing escape (%) pattern")
        raise fail(
            "INVALID_FUNCTION_ARGUMENT",
            f'URLDecoder: Illegal hex characters in escape (%) pattern - Error at index 0 in: "{found[1]}"',
        )
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", errors="replace")
