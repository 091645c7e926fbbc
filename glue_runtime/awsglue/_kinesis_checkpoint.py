"""What the checkpoint of a query tells of the records of Kinesis that its batches had."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Tuple

# Stands in place of a sequence number for the position at which reading a shard began.
AT = "at"
_NAME = re.compile(r"/(?P<feed>[^/]+)/(?P<shard>[^/.]+)\.(?P<first>\w+)\.(?P<last>\d+)\.json$")


class Chunk(NamedTuple):
    """What a file holds, by its name: records of a shard, or the moment at which reading it began.

    Parameters
    ----------
    shard : str
    first : str
        A sequence number, or ``at``.
    last : str
        A sequence number, or milliseconds since 1970.
    """

    shard: str
    first: str
    last: str

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.shard}.{self.first}.{self.last}.json"

    @property
    def rank(self) -> Tuple[bool, int]:
        """The key that sorts the chunks of a shard in the order of reading."""
        return self.first != AT, int(self.last)


class Noted(NamedTuple):
    """What a checkpoint tells of a feed.

    Parameters
    ----------
    chunks : tuple of Chunk
        All that a batch has had.
    again : tuple of (str, Chunk)
        Files, and what was in them, of batches that did not end.
    """

    chunks: Tuple[Chunk, ...] = ()
    again: Tuple[Tuple[str, Chunk], ...] = ()

    def positions(self) -> Dict[str, Chunk]:
        """The last that was read of each shard."""
        newest: Dict[str, Chunk] = {}
        for chunk in self.chunks:
            before = newest.get(chunk.shard)
            if before is None or chunk.rank > before.rank:
                newest[chunk.shard] = chunk
        return newest


def noted(feed: str, logs: Iterable[Tuple[int, Iterable[str]]], ended: Mapping[int, int]) -> Noted:
    """Read a checkpoint's logs of files.

    Parameters
    ----------
    feed : str
        Name of the directory of a feed.
    logs : iterable of (int, iterable of str)
        Number of a source in its query, and the lines of its logs.
    ended : mapping of int to int
        Number of a source to its last entry that belongs to a batch which ended.
    """
    chunks: List[Chunk] = []
    again: List[Tuple[str, Chunk]] = []
    for source, lines in logs:
        for line in lines:
            if not line.startswith("{"):
                continue
            entry = json.loads(line)
            match = _NAME.search(entry["path"])
            if match is None or match["feed"] != feed:
                continue
            chunk = Chunk(match["shard"], match["first"], match["last"])
            chunks.append(chunk)
            if entry["batchId"] > ended.get(source, -1):
                again.append((re.sub(r"^file:/+", "/", entry["path"]), chunk))
    return Noted(tuple(chunks), tuple(again))


def read(session: Any, location: str, feed: str) -> Noted:
    """What the checkpoint of a query tells of a feed; nothing, of one that is not there."""
    jvm = session._jvm
    root = jvm.org.apache.hadoop.fs.Path(location)
    system = root.getFileSystem(session._jsc.hadoopConfiguration())

    def below(*names: str) -> List[str]:
        where = jvm.org.apache.hadoop.fs.Path("/".join([location.rstrip("/"), *names]))
        if not system.exists(where):
            return []
        return [status.getPath().getName() for status in system.listStatus(where)]

    def lines(*names: str) -> List[str]:
        stream = system.open(jvm.org.apache.hadoop.fs.Path("/".join([location.rstrip("/"), *names])))
        try:
            return str(jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")).splitlines()
        finally:
            stream.close()

    # A compacted log repeats what it replaces; which of its entries stand elsewhere too does not matter.
    logs = [
        (
            int(source),
            [
                line
                for name in below("sources", source)
                if not name.startswith(".")
                for line in lines("sources", source, name)
            ],
        )
        for source in below("sources")
    ]
    batches = [int(name) for name in below("commits") if name.isdigit()]
    ended: Dict[int, int] = {}
    if batches:
        offsets = lines("offsets", str(max(batches)))[2:]
        ended = {
            number: int(json.loads(line)["logOffset"])
            for number, line in enumerate(offsets)
            if line.startswith("{") and "logOffset" in line
        }
    return noted(feed, logs, ended)
