"""Job bookmarks: what a job's earlier runs have read, by transformation context.

The state of a source of files is the latest time at which one of them was written, and, of those written
within ``maxBand`` milliseconds before it, which they were: a file that appears late, with a time before
that, is still read. The state of a JDBC source is the last of its keys. Nothing is kept before
``Job.commit``.

The plane that started the run hands the states over in a file and takes them from another one, beside it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from awsglue._files import File

ENABLE = "job-bookmark-enable"
PAUSE = "job-bookmark-pause"
DISABLE = "job-bookmark-disable"

# Names the file with the states of earlier runs; what is committed goes beside it.
VARIABLE = "MILLPOND_GLUE_BOOKMARK_FILE"
COMMITTED = ".committed"

_BAND = 900_000

State = Dict[str, Any]
Bound = Callable[[Sequence[File], Mapping[str, Any]], List[File]]


def covers(state: Optional[Mapping[str, Any]], file: File) -> bool:
    """Whether a file is among those that a state says were read.

    Parameters
    ----------
    state : mapping, optional
        ``None`` for that of a source that was never read.
    file : File
    """
    if not state or file.modified > state["until"]:
        return False
    return file.modified <= state["until"] - state["band"] or [file.path, file.modified] in state["files"]


def after(state: Optional[Mapping[str, Any]], read: Sequence[File], band: int = _BAND) -> Optional[State]:
    """The state of a source of files once more of them were read.

    Parameters
    ----------
    state : mapping, optional
        Before.
    read : sequence of File
        What was read since.
    band : int
        Milliseconds within which files may still appear.
    """
    if not read:
        return dict(state) if state else None
    until = max([file.modified for file in read] + ([state["until"]] if state else []))
    known = [[file.path, file.modified] for file in read] + (list(state["files"]) if state else [])
    return {
        "until": until,
        "band": band,
        "files": [
            list(known_file) for known_file in sorted({(path, at) for path, at in known if at > until - band})
        ],
    }


@dataclass
class SourceBookmark:
    """The bookmark of one source.

    Parameters
    ----------
    start : mapping, optional
        What was read before; ``None`` when nothing was, or bookmarks are disabled.
    end : mapping, optional
        What a run that is paused reads up to (``job-bookmark-to``).
    is_on : bool
        Whether anything of it is to be kept.
    """

    start: Optional[Mapping[str, Any]] = None
    end: Optional[Mapping[str, Any]] = None
    is_on: bool = False
    result: Optional[State] = None

    def new_files(
        self, files: Sequence[File], options: Mapping[str, Any], bounded: Optional[Bound] = None
    ) -> List[File]:
        """The files of a source that this run has to read.

        Parameters
        ----------
        files : sequence of File
        options : mapping
            ``maxBand``, and what ``bounded`` reads of it.
        bounded : callable, optional
            Leaves new files for later runs, the ones that were written last.
        """
        chosen = [
            file
            for file in files
            if not covers(self.start, file) and (self.end is None or covers(self.end, file))
        ]
        if bounded is not None:
            chosen = bounded(chosen, options)
        if self.is_on:
            self.result = after(self.start, chosen, int(options.get("maxBand") or _BAND))
        return chosen

    def last_keys(self) -> Optional[Mapping[str, Any]]:
        """The last keys of a JDBC source that were read."""
        return self.start

    def read_to(self, keys: Mapping[str, Any]) -> None:
        """Note the last keys that this run reads."""
        if self.is_on:
            self.result = dict(keys)


@dataclass
class Bookmarks:
    """The bookmarks of a run.

    Parameters
    ----------
    option : str
        ``--job-bookmark-option``.
    states : mapping
        Of earlier runs, by transformation context.
    ends : mapping, optional
        For a paused run with ``job-bookmark-to``: its states.
    path : str
        Where what is committed goes; empty outside a run.
    """

    option: str = DISABLE
    states: Mapping[str, Any] = field(default_factory=dict)
    ends: Optional[Mapping[str, Any]] = None
    path: str = ""
    _sources: Dict[str, SourceBookmark] = field(default_factory=dict)

    @classmethod
    def of_run(cls, environment: Mapping[str, str], option: Optional[str]) -> Bookmarks:
        """The bookmarks of the job run that this process executes; outside of a run they are disabled."""
        path = environment.get(VARIABLE, "")
        if not path or option not in (ENABLE, PAUSE):
            return cls()
        with open(path, encoding="utf-8") as states:  # noqa: PTH123
            saved = json.load(states)
        return cls(option, saved.get("states") or {}, saved.get("ends"), f"{path}{COMMITTED}")

    def source(self, transformation_ctx: str) -> SourceBookmark:
        """The bookmark of a source; without a transformation context it has none."""
        if not transformation_ctx or self.option == DISABLE:
            return SourceBookmark()
        if transformation_ctx not in self._sources:
            ends = None if self.ends is None else self.ends.get(transformation_ctx, _NOTHING)
            self._sources[transformation_ctx] = SourceBookmark(
                self.states.get(transformation_ctx), ends, is_on=self.option == ENABLE
            )
        return self._sources[transformation_ctx]

    def commit(self) -> None:
        """Keep what the sources of this run read, all of it or nothing."""
        if self.option != ENABLE or not self.path:
            return
        read = {name: source.result for name, source in self._sources.items() if source.result is not None}
        states = {**self.states, **read}
        partial = f"{self.path}.partial"
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump({"states": states}, out)
        os.replace(partial, self.path)  # noqa: PTH105


# The state of a source that the run of job-bookmark-to did not read: it covers no file.
_NOTHING: Mapping[str, Any] = {"until": -1, "band": 0, "files": []}
