"""``Job``: what a script calls first and last."""

from __future__ import annotations

import os
import sys
from typing import Any, Mapping, Optional

from awsglue.bookmarks import DISABLE, Bookmarks


class Job:
    """The run of this script.

    Parameters
    ----------
    glue_context : GlueContext
        The context of the script.
    """

    _initialized = False
    _bookmarks: Optional[Bookmarks] = None

    def __init__(self, glue_context: Any) -> None:
        self._glue_context = glue_context

    @classmethod
    def init(cls, job_name: str, args: Optional[Mapping[str, Any]] = None) -> None:  # noqa: ARG003
        """Begin the job; the bookmarks of its earlier runs count from here on.

        Parameters
        ----------
        job_name : str
            Name of the job, usually ``args["JOB_NAME"]``.
        args : mapping, optional
            What ``getResolvedOptions`` returned.
        """
        option = (args or {}).get("job_bookmark_option") or _option_of(sys.argv)
        cls._bookmarks = Bookmarks.of_run(os.environ, option)
        cls._initialized = True

    @classmethod
    def isInitialized(cls) -> bool:
        """Whether :meth:`init` was called."""
        return cls._initialized

    @classmethod
    def commit(cls) -> None:
        """End the job: what its sources read is not read again by a run with bookmarks.

        Without :meth:`init` no bookmark was begun, so that there is nothing to keep; scripts that only end
        with ``commit`` are many, and run.
        """
        if cls._bookmarks is None:
            sys.stderr.write("Job.commit: no bookmark is kept, since Job.init was not called\n")
            return
        cls._bookmarks.commit()

    @classmethod
    def _current(cls) -> Bookmarks:
        """The bookmarks of this run: none before :meth:`init`."""
        return cls._bookmarks or Bookmarks()


def _option_of(argv: Any) -> str:
    for position, word in enumerate(argv):
        name, equals, value = str(word).partition("=")
        if name == "--job-bookmark-option":
            return value if equals else str(argv[position + 1]) if position + 1 < len(argv) else DISABLE
    return DISABLE
