"""The one error type that a person sees."""

from __future__ import annotations


class MillpondError(Exception):
    """Something a person has to know: what was wrong, where, and what to type next.

    Parameters
    ----------
    what : str
        One sentence that names the thing that is wrong.
    where : str, optional
        The file, address, table or step that it concerns.
    next_step : str, optional
        The command to type or the thing to change.
    detail : str, optional
        Lines that help to understand it, such as the end of a log.
    """

    def __init__(self, what: str, *, where: str = "", next_step: str = "", detail: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_step = next_step
        self.detail = detail

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.next_step:
            lines.append(f"  next:  {self.next_step}")
        if self.detail:
            lines.append(self.detail)
        return "\n".join(lines)
