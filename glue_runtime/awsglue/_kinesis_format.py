"""``spark.readStream.format("kinesis")``, which AWS Glue brings to Spark."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping

from awsglue import _kinesis

# The options of :func:`awsglue._kinesis.stream`; Spark takes options in any case of letters.
_OPTIONS = (
    "streamARN",
    "streamName",
    "startingPosition",
    "region",
    "endpointUrl",
    "maxRecordPerRead",
    "awsSTSRoleARN",
    "awsSTSSessionName",
)


def serve() -> None:
    """Have the format in the readers of this process."""
    from pyspark.sql.streaming import DataStreamReader as Reader

    if hasattr(Reader, "_glue_options"):
        return
    Reader._glue_options = {}
    Reader._glue_is_kinesis = False
    Reader.format = _choosing(Reader.format)
    Reader.option, Reader.options = _noting_one(Reader.option), _noting(Reader.options)
    Reader.load = _loading(Reader.load)


def _choosing(method: Callable[..., Any]) -> Callable[..., Any]:
    def choose(reader: Any, source: str) -> Any:
        reader._glue_is_kinesis = source.lower() == "kinesis"
        return method(reader, source)

    return choose


def _note(reader: Any, options: Mapping[str, Any]) -> None:
    reader._glue_options = {
        **reader._glue_options,
        **{name.lower(): value for name, value in options.items()},
    }


def _noting_one(method: Callable[..., Any]) -> Callable[..., Any]:
    def note(reader: Any, key: str, value: Any) -> Any:
        _note(reader, {key: value})
        return method(reader, key, value)

    return note


def _noting(method: Callable[..., Any]) -> Callable[..., Any]:
    def note(reader: Any, **options: Any) -> Any:
        _note(reader, options)
        return method(reader, **options)

    return note


def _loading(method: Callable[..., Any]) -> Callable[..., Any]:
    def load(reader: Any, *args: Any, **options: Any) -> Any:
        if not reader._glue_is_kinesis:
            return method(reader, *args, **options)
        _note(reader, options)
        noted: Dict[str, Any] = reader._glue_options
        known = {name: noted[name.lower()] for name in _OPTIONS if name.lower() in noted}
        return _kinesis.stream(reader._spark, known)

    return load
