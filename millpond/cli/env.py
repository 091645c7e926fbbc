"""``millpond env``."""

from __future__ import annotations

import shlex

from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.session import Json
from millpond.client.environment import stack_environment


def env(as_json: Json = False) -> None:
    """Print what any AWS tool needs in its environment: eval "$(millpond env)"."""
    variables = stack_environment(load_settings())
    if as_json:
        console.show_json(variables)
        return
    for name, value in variables.items():
        console.out.print(f"export {name}={shlex.quote(value)}", markup=False, highlight=False)
