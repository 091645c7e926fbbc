"""Kinesis Data Streams as a source of Spark's Structured Streaming.

The driver copies the records of a stream's shards into files of the run, and Spark reads those as a stream
of files. The name of a file says the shard and the sequence numbers in it, and Spark notes the files of each
batch in the query's checkpoint: so the checkpoint tells a later run where to go on, and which records a
batch had that did not end. Those are read from the stream again, into files of the same names.

Options are those of "Kinesis connections" in the AWS Glue Developer Guide.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Set, Tuple

from awsglue import _kinesis_checkpoint
from awsglue._kinesis_checkpoint import AT, Chunk, Noted
from awsglue._refuse import refuse

# The columns of a stream that is read without a classification.
SCHEMA = (
    "data BINARY, streamName STRING, partitionKey STRING, sequenceNumber STRING, "
    "approximateArrivalTimestamp TIMESTAMP"
)
_LIMIT = 10_000
_PAUSE_SECONDS = 0.5
# Reads before a query starts, so that what waits in the stream is in its first batch.
_FIRST_READS = 50
_STARTS = {"latest": "LATEST", "trim_horizon": "TRIM_HORIZON", "earliest": "TRIM_HORIZON"}
# No program can read it, so a query that meets it ends.
_FAILED = "failed.json.gz"


@dataclass
class Feed:
    """Copies the records of one stream into files.

    Parameters
    ----------
    client : KinesisClient
    stream : str
        Its name: SDKs of older versions of Glue take no ARN.
    directory : Path
        Where the files go.
    start : str or datetime
        Where reading begins where no checkpoint says so: ``LATEST``, ``TRIM_HORIZON`` or a moment.
    limit : int
        Most records of one read.
    """

    client: Any
    stream: str
    directory: Path
    start: Any = "LATEST"
    limit: int = _LIMIT
    error: Optional[BaseException] = None
    _iterators: Dict[str, Optional[str]] = field(default_factory=dict)
    _last: Dict[str, Tuple[str, str]] = field(default_factory=dict)
    _began: Optional[Tuple[str, Mapping[str, Chunk]]] = None

    @property
    def name(self) -> str:
        """The name by which a checkpoint knows the feed."""
        return self.directory.name

    @property
    def pattern(self) -> str:
        """A glob of its directory: of a plain path Spark reads no batch with files of another directory."""
        path = str(self.directory)
        return f"{path[:-1]}[{path[-1]}]"

    def begin(self, location: str, known: Noted) -> None:
        """Start copying, from where a checkpoint stands; what waits in the stream is there on return.

        Parameters
        ----------
        location : str
            Of the checkpoint; empty for none.
        known : Noted
            What it tells.

        Raises
        ------
        NotImplementedError
            If another query reads it already, whose checkpoint stands elsewhere.
        """
        positions = known.positions()
        if self._began is not None:
            if location != self._began[0] and positions != self._began[1]:
                refuse(
                    "create_data_frame", "one kinesis stream for two queries that stand at different places"
                )
            return
        self._began = location, positions
        for path, chunk in known.again:
            self._restore(Path(path), chunk)
        for shard in self._shards():
            self._open_first(shard, positions)
        for _ in range(_FIRST_READS):
            if not self.read():
                break
        threading.Thread(target=self._copy, name=f"kinesis {self.name}", daemon=True).start()

    def read(self) -> int:
        """Read each shard once; how many records there were."""
        self._open_new()
        count = 0
        for shard, iterator in list(self._iterators.items()):
            if iterator is None:
                continue
            answer = self._records(shard, iterator)
            self._iterators[shard] = answer.get("NextShardIterator")
            records = answer["Records"]
            if records:
                last = records[-1]["SequenceNumber"]
                chunk = Chunk(shard, records[0]["SequenceNumber"], last)
                self._write(self.directory / chunk.name, records)
                self._last[shard] = ("AFTER_SEQUENCE_NUMBER", last)
                count += len(records)
        return count

    def _copy(self) -> None:
        pause = threading.Event()
        while True:
            try:
                count = self.read()
            except Exception as error:  # noqa: BLE001 - the query is made to end, which tells of it
                self.error = error
                sys.stderr.write(f"The stream {self.name} cannot be read any more: {error}\n")
                self._put(self.directory / _FAILED, "no more records")
                return
            if not count:
                pause.wait(_PAUSE_SECONDS)

    def _records(self, shard: str, iterator: str) -> Dict[str, Any]:
        try:
            return dict(self.client.get_records(ShardIterator=iterator, Limit=self.limit))
        except self.client.exceptions.ExpiredIteratorException:
            kind, where = self._last[shard]
            again = self._iterator(shard, kind, where)
            return dict(self.client.get_records(ShardIterator=again, Limit=self.limit))

    def _shards(self) -> List[Dict[str, Any]]:
        answer = self.client.list_shards(StreamName=self.stream)
        shards = list(answer["Shards"])
        while answer.get("NextToken"):
            answer = self.client.list_shards(NextToken=answer["NextToken"])
            shards += answer["Shards"]
        return shards

    def _open_first(self, shard: Mapping[str, Any], positions: Mapping[str, Chunk]) -> None:
        """Open a shard that is there when the query starts, unless its turn comes later."""
        name = shard["ShardId"]
        known = positions.get(name)
        if known is not None:
            self._open(name, "AT_TIMESTAMP" if known.first == AT else "AFTER_SEQUENCE_NUMBER", known.last)
            return
        if positions or self.start == "TRIM_HORIZON":
            return
        moment = datetime.now(timezone.utc) if self.start == "LATEST" else self.start
        milliseconds = str(int(moment.timestamp() * 1000))
        # A file without records: a later run knows by it where this one began.
        self._put(self.directory / Chunk(name, AT, milliseconds).name, "")
        self._open(name, "LATEST" if self.start == "LATEST" else "AT_TIMESTAMP", milliseconds)

    def _open_new(self) -> None:
        """Open each shard from its beginning when those have been read of which it was made."""
        shards = {shard["ShardId"]: shard for shard in self._shards()}
        for name, shard in shards.items():
            parents = {shard.get("ParentShardId"), shard.get("AdjacentParentShardId")} & set(shards)
            if name not in self._iterators and all(
                parent in self._iterators and self._iterators[parent] is None for parent in parents
            ):
                self._open(name, "TRIM_HORIZON", "")

    def _open(self, shard: str, kind: str, where: str) -> None:
        # An iterator of the latest records that expires before there were any begins where it was made.
        self._last[shard] = ("AT_TIMESTAMP", where) if kind == "LATEST" else (kind, where)
        self._iterators[shard] = self._iterator(shard, kind, where)

    def _iterator(self, shard: str, kind: str, where: str) -> str:
        position: Dict[str, Any] = {}
        if kind.endswith("SEQUENCE_NUMBER"):
            position["StartingSequenceNumber"] = where
        elif kind == "AT_TIMESTAMP":
            position["Timestamp"] = datetime.fromtimestamp(int(where) / 1000, timezone.utc)
        answer = self.client.get_shard_iterator(
            ShardId=shard, ShardIteratorType=kind, StreamName=self.stream, **position
        )
        return str(answer["ShardIterator"])

    def _restore(self, path: Path, chunk: Chunk) -> None:
        """Have a file again that a batch had which did not end.

        Raises
        ------
        RuntimeError
            If the stream does not have its records any more.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        if chunk.first == AT:
            self._put(path, "")
            return
        records: List[Dict[str, Any]] = []
        iterator: Optional[str] = self._iterator(chunk.shard, "AT_SEQUENCE_NUMBER", chunk.first)
        while iterator and not (records and int(records[-1]["SequenceNumber"]) >= int(chunk.last)):
            answer = self.client.get_records(ShardIterator=iterator, Limit=self.limit)
            if not answer["Records"] and not answer.get("MillisBehindLatest"):
                break
            records += answer["Records"]
            iterator = answer.get("NextShardIterator")
        wanted = [record for record in records if int(record["SequenceNumber"]) <= int(chunk.last)]
        if (
            not wanted
            or wanted[0]["SequenceNumber"] != chunk.first
            or wanted[-1]["SequenceNumber"] != chunk.last
        ):
            raise RuntimeError(
                f"The last batch did not end, and its records {chunk.first} to {chunk.last} are in "
                f"{chunk.shard} of {self.name} no more. Start with another checkpointLocation."
            )
        self._write(path, wanted)

    def _write(self, path: Path, records: Iterable[Mapping[str, Any]]) -> None:
        self._put(path, "".join(json.dumps(_row(self.stream, record)) + "\n" for record in records))

    def _put(self, path: Path, text: str) -> None:
        """Write a file that Spark sees once it is whole."""
        hidden = path.with_name(f".{path.name}")
        hidden.write_text(text)
        hidden.rename(path)


def _row(stream: str, record: Mapping[str, Any]) -> Dict[str, str]:
    return {
        "data": base64.b64encode(record["Data"]).decode(),
        "streamName": stream,
        "partitionKey": record["PartitionKey"],
        "sequenceNumber": record["SequenceNumber"],
        "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"]
        .astimezone(timezone.utc)
        .isoformat(),
    }


def starting_position(text: str) -> Any:
    """``LATEST``, ``TRIM_HORIZON`` or a moment, of the option ``startingPosition``.

    Raises
    ------
    ValueError
        If it is none of them.

    Examples
    --------
    >>> starting_position("earliest"), starting_position("2026-04-04T08:00:00Z").hour
    ('TRIM_HORIZON', 8)
    """
    if text.lower() in _STARTS:
        return _STARTS[text.lower()]
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(
            f"startingPosition is latest, trim_horizon, earliest or yyyy-mm-ddTHH:MM:SSZ, not {text!r}"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


_FEEDS: List[Feed] = []
_NAMES: Set[str] = set()


def stream(session: Any, options: Mapping[str, Any]) -> Any:
    """A streaming data frame with the columns of :data:`SCHEMA`.

    Parameters
    ----------
    session : SparkSession
    options : mapping
        ``streamARN`` or ``streamName``, ``startingPosition``, ``maxRecordPerRead``, ``awsSTSRoleARN``,
        ``awsSTSSessionName``.

    Raises
    ------
    ValueError
        If no stream is named, or one of another account, which is read by ``awsSTSRoleARN``.
    """
    arn = str(options.get("streamARN") or "")
    name = arn.rsplit("/", 1)[-1] or str(options.get("streamName") or "")
    if not name:
        raise ValueError("a source of kinesis takes the option streamARN")
    start = starting_position(str(options.get("startingPosition") or "latest"))
    client = _client(arn, options)
    stream_arn = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    if arn and stream_arn != arn:
        raise ValueError(
            f"the stream of this account is {stream_arn}, not {arn}: awsSTSRoleARN reads another's"
        )
    limit = min(int(options.get("maxRecordPerRead") or _LIMIT), _LIMIT)
    feed = Feed(client, name, _directory(name), start, limit)
    feed.directory.mkdir(parents=True)
    _FEEDS.append(feed)
    _watch_queries()
    return session.readStream.schema(SCHEMA).json(feed.pattern)


def failed_feed(frame: Any) -> Optional[BaseException]:
    """What ended the feed of a streaming data frame, if anything did."""
    return next((feed.error for feed in _of(frame) if feed.error is not None), None)


def _directory(stream_name: str) -> Path:
    """A directory of this process; the same source has the same name in the next run."""
    number = 1
    while f"{stream_name}-{number}" in _NAMES:
        number += 1
    _NAMES.add(f"{stream_name}-{number}")
    return Path(tempfile.mkdtemp(prefix="kinesis-")) / f"{stream_name}-{number}"


def region_of(endpoint: Optional[str]) -> Optional[str]:
    """The region of one of AWS's endpoints; of another, none.

    Examples
    --------
    >>> region_of("https://kinesis.eu-west-1.amazonaws.com")
    'eu-west-1'
    """
    match = re.match(r"(?:https://)?kinesis\.([a-z0-9-]+)\.amazonaws\.com", endpoint or "")
    return match.group(1) if match else None


def _client(arn: str, options: Mapping[str, Any]) -> Any:
    import boto3

    region = arn.split(":")[3] if arn else options.get("region") or region_of(options.get("endpointUrl"))
    settings: Dict[str, Any] = {}
    if options.get("awsSTSRoleARN"):
        answer = boto3.client("sts").assume_role(
            RoleArn=options["awsSTSRoleARN"],
            RoleSessionName=options.get("awsSTSSessionName") or f"glue-{os.getpid()}",
        )
        credentials = answer["Credentials"]
        settings = {
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"],
        }
    return boto3.client("kinesis", region_name=region, **settings)


def _of(frame: Any) -> List[Feed]:
    """The feeds that a streaming data frame reads."""
    plan = frame._jdf.queryExecution().logical().toString()
    return [feed for feed in _FEEDS if feed.pattern in plan]


def _watch_queries() -> None:
    """Have a feed start with the query that reads it, when its checkpoint is known."""
    from pyspark.sql.streaming import DataStreamWriter as Writer

    if hasattr(Writer, "_glue_checkpoint"):
        return
    Writer._glue_checkpoint = ""
    option = Writer.option

    def noting_option(writer: Any, key: str, value: Any) -> Any:
        _note(writer, {key: value})
        return option(writer, key, value)

    Writer.option = noting_option
    Writer.options = _noting(Writer.options)
    Writer.start, Writer.toTable = _beginning(Writer.start), _beginning(Writer.toTable)


def _note(writer: Any, options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        if name.lower() == "checkpointlocation":
            writer._glue_checkpoint = str(value)


def _noting(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method of a writer that takes options, which are noted."""

    def noting(writer: Any, *args: Any, **options: Any) -> Any:
        _note(writer, options)
        return method(writer, *args, **options)

    return noting


def _beginning(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method of a writer that starts a query, after the feeds that it reads."""

    def beginning(writer: Any, *args: Any, **options: Any) -> Any:
        _note(writer, options)
        location = writer._glue_checkpoint
        for feed in _of(writer._df):
            known = _kinesis_checkpoint.read(writer._spark, location, feed.name) if location else Noted()
            feed.begin(location, known)
        return method(writer, *args, **options)

    return beginning
