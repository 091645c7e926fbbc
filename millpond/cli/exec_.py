"""``millpond exec``: a program in an environment that reaches the stack."""

from __future__ import annotations

import os
import shutil
from typing import Annotated, NoReturn

import typer

from millpond.base.config import load_settings
from millpond.base.errors import MillpondError
from millpond.client.environment import stack_environment


def exec_(
    command: Annotated[list[str], typer.Argument(help="A program and its arguments, behind --.")],
) -> None:
    """Run a program that speaks to the stack: millpond exec -- terraform plan."""
    become(command)


def become(command: list[str]) -> NoReturn:
    """Run a program of the user's in the place of this one, in such an environment."""
    environment = {**os.environ, **stack_environment(load_settings())}
    # A profile would be asked before the keys in the environment.
    environment.pop("AWS_PROFILE", None)
    if shutil.which(command[0]) is None:
        raise MillpondError(
            f"There is no program {command[0]}.",
            where="the search path",
            next_step="install it, or name its path",
        )
    os.execvpe(command[0], command, environment)  # noqa: S606 (the user's own command, no shell between)
