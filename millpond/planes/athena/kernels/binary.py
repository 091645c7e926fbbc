"""Trino's binary functions; reference: "Binary functions"."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import struct
import zlib
from collections.abc import Callable

from millpond.planes.athena.kernels import fail

_MASK = 2**64 - 1


def _decoded(read: Callable[[str], bytes], text: str | bytes) -> bytes:
    try:
        return read(text.decode("latin-1") if isinstance(text, bytes) else text)
    except (binascii.Error, ValueError) as error:
        raise fail("INVALID_FUNCTION_ARGUMENT", str(error)) from None


def _padded(text: str) -> str:
    stripped = text.rstrip("=")
    if len(text) - len(stripped) > 2 or ("=" in text and len(text) % 4):
        raise ValueError("Input byte array has incorrect ending byte")
    if len(stripped) % 4 == 1:
        raise ValueError("Last unit does not have enough valid bits")
    return stripped + "=" * (-len(stripped) % 4)


def _base64(text: str, more: str) -> bytes:
    for character in text.rstrip("="):
        if not re.fullmatch(rf"[A-Za-z0-9{more}]", character):
            raise ValueError(f"Illegal base64 character {ord(character):x}")
    padded = _padded(text)
    return base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)


def from_base64(text: str | bytes) -> bytes:
    return _decoded(lambda t: _base64(t, "+/"), text)


def from_base64url(text: str | bytes) -> bytes:
    return _decoded(lambda t: _base64(t, "_-"), text)


def from_base32(text: str | bytes) -> bytes:
    def read(value: str) -> bytes:
        stripped = value.rstrip("=")
        for character in stripped:
            if not re.fullmatch(r"[A-Z2-7]", character):
                raise ValueError(f"Unrecognized character: {character}")
        if len(stripped) % 8 in (1, 3, 6):
            raise ValueError(f"Invalid input length {len(stripped)}")
        return base64.b32decode(stripped.upper() + "=" * (-len(stripped) % 8))

    return _decoded(read, text)


def to_base32(data: bytes) -> str:
    return base64.b32encode(data).decode()


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def to_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()


def from_hex(text: str | bytes) -> bytes:
    def read(value: str) -> bytes:
        if not re.fullmatch(r"[0-9a-fA-F]*", value) or len(value) % 2:
            raise ValueError(f"invalid hex string: {value}")
        return bytes.fromhex(value)

    return _decoded(read, text)


def digest(name: str) -> Callable[[bytes], bytes]:
    return lambda data: hashlib.new(name, data, usedforsecurity=False).digest()


def keyed(name: str) -> Callable[[bytes, bytes], bytes]:
    return lambda data, key: hmac.new(key, data, name).digest()


def crc32(data: bytes) -> int:
    return zlib.crc32(data)


def reverse(data: bytes) -> bytes:
    return data[::-1]


def concat(*parts: bytes) -> bytes:
    return b"".join(parts)


def _sized(data: bytes, size: int, what: str) -> bytes:
    if len(data) != size:
        raise fail(
            "INVALID_FUNCTION_ARGUMENT",
            f"expected {size}-byte input, but got instead: {len(data)}"
            if what == "int"
            else f"Input floating-point value must be exactly {size} bytes long",
        )
    return data


def from_big_endian_32(data: bytes) -> int:
    return int.from_bytes(_sized(data, 4, "int"), "big", signed=True)


def from_big_endian_64(data: bytes) -> int:
    return int.from_bytes(_sized(data, 8, "int"), "big", signed=True)


def to_big_endian_32(value: int) -> bytes:
    return value.to_bytes(4, "big", signed=True)


def to_big_endian_64(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)


def from_ieee754_32(data: bytes) -> float:
    return float(struct.unpack(">f", _sized(data, 4, "float"))[0])


def from_ieee754_64(data: bytes) -> float:
    return float(struct.unpack(">d", _sized(data, 8, "float"))[0])


def to_ieee754_32(value: float) -> bytes:
    return struct.pack(">f", value) if value == value else b"\x7f\xc0\x00\x00"


def to_ieee754_64(value: float) -> bytes:
    return struct.pack(">d", value) if value == value else b"\x7f\xf8" + bytes(6)


# xxHash64, Yann Collet, "xxHash fast digest algorithm"; seed 0.
_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def _rotated(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK


def _round(accumulator: int, lane: int) -> int:
    return _rotated((accumulator + lane * _P2) & _MASK, 31) * _P1 & _MASK


def xxhash64_number(data: bytes) -> int:
    at, size = 0, len(data)
    if size >= 32:
        lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
        while at <= size - 32:
            lanes = [
                _round(lane, int.from_bytes(data[at + 8 * i : at + 8 * i + 8], "little"))
                for i, lane in enumerate(lanes)
            ]
            at += 32
        value = sum(_rotated(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for lane in lanes:
            value = ((value ^ _round(0, lane)) * _P1 + _P4) & _MASK
    else:
        value = _P5
    value = (value + size) & _MASK
    while at + 8 <= size:
        value ^= _round(0, int.from_bytes(data[at : at + 8], "little"))
        value = (_rotated(value, 27) * _P1 + _P4) & _MASK
        at += 8
    if at + 4 <= size:
        value ^= int.from_bytes(data[at : at + 4], "little") * _P1 & _MASK
        value = (_rotated(value, 23) * _P2 + _P3) & _MASK
        at += 4
    for byte in data[at:]:
        value = _rotated(value ^ (byte * _P5 & _MASK), 11) * _P1 & _MASK
    value = (value ^ value >> 33) * _P2 & _MASK
    value = (value ^ value >> 29) * _P3 & _MASK
    return value ^ value >> 32


def xxhash64(data: bytes) -> bytes:
    return xxhash64_number(data).to_bytes(8, "big")


# MurmurHash3 x64 128, Austin Appleby; seed 0.
_C1, _C2 = 0x87C37B91114253D5, 0x4CF5AD432745937F


def _mixed(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _MASK
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return value ^ value >> 33


def murmur3(data: bytes) -> bytes:
    one = other = 0
    whole = len(data) // 16 * 16
    for at in range(0, whole, 16):
        low = int.from_bytes(data[at : at + 8], "little")
        high = int.from_bytes(data[at + 8 : at + 16], "little")
        one ^= _rotated(low * _C1 & _MASK, 31) * _C2 & _MASK
        one = ((_rotated(one, 27) + other) * 5 + 0x52DCE729) & _MASK
        other ^= _rotated(high * _C2 & _MASK, 33) * _C1 & _MASK
        other = ((_rotated(other, 31) + one) * 5 + 0x38495AB5) & _MASK
    tail = data[whole:]
    if len(tail) > 8:
        other ^= _rotated(int.from_bytes(tail[8:], "little") * _C2 & _MASK, 33) * _C1 & _MASK
    if tail:
        one ^= _rotated(int.from_bytes(tail[:8], "little") * _C1 & _MASK, 31) * _C2 & _MASK
    one, other = one ^ len(data), other ^ len(data)
    one = (one + other) & _MASK
    other = (other + one) & _MASK
    one, other = _mixed(one), _mixed(other)
    one = (one + other) & _MASK
    other = (other + one) & _MASK
    return one.to_bytes(8, "little") + other.to_bytes(8, "little")
