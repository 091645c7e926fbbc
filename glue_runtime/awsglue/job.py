"""``Job``: what a script calls first and last."""

from __future__ import annotations

from typing import Any, Mapping

from awsglue._unavailable import Refusal


class Job:
    """The run of this script.

    Bookmarks belong to the sources of dynamic frames, which Millpond does not have: ``commit`` therefore
    has nothing to store.

    Parameters
    ----------
    glue_context : GlueContext
        The context of the script.
    """

    _initialized = False

    def __init__(self, glue_context: Any) -> None:
        self._glue_context = glue_context

    @classmethod
    def init(cls, job_name: str, args: Mapping[str, Any] | None = None) -> None:  # noqa: ARG003
        """Begin the job.

        Parameters
        ----------
        job_name : str
            Name of the job, usually ``args["JOB_NAME"]``.
        args : mapping, optional
            What ``getResolvedOptions`` returned.
        """
        cls._initialized = True

    @classmethod
    def isInitialized(cls) -> bool:  # noqa: N802
        """Whether :meth:`init` was called."""
        return cls._initialized

    @classmethod
    def commit(cls) -> None:
        """End the job.

        Raises
        ------
        RuntimeError
            If :meth:`init` was not called.
        """
        if not cls._initialized:
            raise RuntimeError("Job.commit was called before Job.init")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return Refusal(f"Job.{name}")
