"""Job bookmarks: what the sources of a job have read, run by run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from millpond.planes.glue.exceptions import EntityNotFoundException, LaunchError
from millpond.planes.glue.runs import JobRun, Shape

PAUSE = "job-bookmark-pause"

States = Mapping[str, Any]


class JobBookmarks:
    """The bookmarks of all jobs.

    Each entry is a ``JobBookmarkEntry`` of the API; its ``JobBookmark`` is a JSON object with the state of
    each source by its transformation context. Entries of earlier runs are kept, to rewind to.
    """

    KEPT = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[str, list[Shape]] = {}

    def get(self, job_name: str, run_id: str | None = None) -> Shape:
        """The entry of a job, the last one or that of a run.

        Raises
        ------
        EntityNotFoundException
            If there is none.
        """
        entries = self._entries.get(job_name, [])
        if run_id is not None:
            entries = [one for one in entries if one.get("RunId") == run_id]
        if not entries:
            raise EntityNotFoundException(f"Continuation for job {job_name} not found")
        return dict(entries[-1])

    def reset(self, job_name: str, run_id: str | None = None) -> Shape:
        """Forget what was read, or, of a run, what was read after it.

        Raises
        ------
        EntityNotFoundException
            If the job has no bookmark, or none of that run.
        """
        last = self.get(job_name)
        entry: Shape = {"JobName": job_name, "Version": last["Version"] + 1, "Run": 0, "Attempt": 0}
        if run_id is not None:
            rewound = self.get(job_name, run_id)
            entry = {**rewound, "Version": last["Version"] + 1}
        self._entries[job_name].append(entry)
        return dict(entry)

    def forget(self, job_name: str) -> None:
        """Drop the bookmark of a job that is deleted."""
        self._entries.pop(job_name, None)

    def given_to(self, run: JobRun) -> Mapping[str, Any]:
        """What a run is told of earlier ones.

        Parameters
        ----------
        run : JobRun

        Returns
        -------
        mapping
            ``states`` by transformation context, and ``ends`` for a run that is paused between two others.

        Raises
        ------
        LaunchError
            If one of those two is no run with a bookmark.
        """
        arguments = run.all_arguments
        first, last = arguments.get("--job-bookmark-from"), arguments.get("--job-bookmark-to")
        if arguments.get("--job-bookmark-option") != PAUSE or not (first or last):
            return {"states": self._states(run.job_name)}
        if not (first and last):
            raise LaunchError("LAUNCH ERROR | --job-bookmark-from and --job-bookmark-to go together.")
        try:
            return {
                "states": self._states(run.job_name, first),
                "ends": self._states(run.job_name, last),
            }
        except EntityNotFoundException as error:
            raise LaunchError(
                "LAUNCH ERROR | --job-bookmark-from or --job-bookmark-to names no run with a bookmark."
            ) from error

    def note(self, run: JobRun, committed: States | None) -> None:
        """Keep what a run committed; without that the run counts, and what was read stays.

        Parameters
        ----------
        run : JobRun
        committed : mapping, optional
            States by transformation context.
        """
        entries = self._entries.setdefault(run.job_name, [])
        old: Shape = entries[-1] if entries else {"Version": 0, "Run": 0}
        states = self._states(run.job_name) if committed is None and entries else committed or {}
        entry = {
            "JobName": run.job_name,
            "Version": old["Version"] + 1,
            "Run": old["Run"] + 1,
            "Attempt": run.attempt,
            "RunId": run.id,
            "JobBookmark": json.dumps(states),
        }
        if "RunId" in old:
            entry["PreviousRunId"] = old["RunId"]
        entries.append(entry)

    def _states(self, job_name: str, run_id: str | None = None) -> States:
        if run_id is None and job_name not in self._entries:
            return {}
        states: States = json.loads(self.get(job_name, run_id).get("JobBookmark", "{}"))
        return states
