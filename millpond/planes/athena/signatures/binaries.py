"""Binary functions: digests, encodings, and numbers as bytes."""

from __future__ import annotations

from millpond.planes.athena.kernels import binary, text
from millpond.planes.athena.signatures.overloads import Overload, kernel, one
from millpond.planes.athena.types import BIGINT, DOUBLE, INTEGER, REAL, VARBINARY, VARCHAR, Type, varchar


def _hash(name: str) -> list[Overload]:
    return one([VARBINARY], VARBINARY, f"unhex({name}({{0}}))")


def _keyed(name: str) -> list[Overload]:
    def compute(data: bytes, key: bytes) -> bytes:
        return binary.keyed(name)(data, key)

    compute.__qualname__ = f"keyed.{name}"
    return one([VARBINARY, VARBINARY], VARBINARY, kernel(compute))


def _digest(name: str) -> list[Overload]:
    def compute(data: bytes) -> bytes:
        return binary.digest(name)(data)

    compute.__qualname__ = f"digest.{name}"
    return one([VARBINARY], VARBINARY, kernel(compute))


def _decoded(function: object) -> list[Overload]:
    return [
        Overload((VARCHAR,), VARBINARY, kernel(function)),  # type: ignore[arg-type]
        Overload((VARBINARY,), VARBINARY, kernel(function)),  # type: ignore[arg-type]
    ]


def _of(parameter: Type, result: Type, function: object) -> list[Overload]:
    return one([parameter], result, kernel(function))  # type: ignore[arg-type]


BINARIES: dict[str, list[Overload]] = {
    "crc32": _of(VARBINARY, BIGINT, binary.crc32),
    "from_base": one([VARCHAR, BIGINT], BIGINT, kernel(text.from_base)),
    "from_base32": _decoded(binary.from_base32),
    "from_base64": _decoded(binary.from_base64),
    "from_base64url": _decoded(binary.from_base64url),
    "from_big_endian_32": _of(VARBINARY, INTEGER, binary.from_big_endian_32),
    "from_big_endian_64": _of(VARBINARY, BIGINT, binary.from_big_endian_64),
    "from_hex": _decoded(binary.from_hex),
    "from_ieee754_32": _of(VARBINARY, REAL, binary.from_ieee754_32),
    "from_ieee754_64": _of(VARBINARY, DOUBLE, binary.from_ieee754_64),
    "hmac_md5": _keyed("md5"),
    "hmac_sha1": _keyed("sha1"),
    "hmac_sha256": _keyed("sha256"),
    "hmac_sha512": _keyed("sha512"),
    "md5": _hash("md5"),
    "murmur3": _of(VARBINARY, VARBINARY, binary.murmur3),
    "sha1": _hash("sha1"),
    "sha256": _hash("sha256"),
    "sha512": _digest("sha512"),
    "to_base": one([BIGINT, BIGINT], varchar(64), kernel(text.to_base)),
    "to_base32": _of(VARBINARY, VARCHAR, binary.to_base32),
    "to_base64": one([VARBINARY], VARCHAR, "to_base64({0})"),
    "to_base64url": _of(VARBINARY, VARCHAR, binary.to_base64url),
    "to_big_endian_32": _of(INTEGER, VARBINARY, binary.to_big_endian_32),
    "to_big_endian_64": _of(BIGINT, VARBINARY, binary.to_big_endian_64),
    "to_hex": one([VARBINARY], VARCHAR, "hex({0})"),
    "to_ieee754_32": _of(REAL, VARBINARY, binary.to_ieee754_32),
    "to_ieee754_64": _of(DOUBLE, VARBINARY, binary.to_ieee754_64),
    "xxhash64": _of(VARBINARY, VARBINARY, binary.xxhash64),
}
BYTES_REVERSED = Overload((VARBINARY,), VARBINARY, kernel(binary.reverse))
