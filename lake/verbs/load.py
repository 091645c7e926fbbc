"""``millpond load``."""

from __future__ import annotations

from lake import load as loading
from millpond.base.config import Settings, load_settings
from millpond.cli import console
from millpond.cli.session import exclusive, require_running
from millpond.client.aws import Aws
from millpond.stack.onprem import OnPremDatabase


def load() -> None:
    """Create and fill the on-premises database, and put its secret where the jobs read it."""
    settings = load_settings()
    with exclusive(settings):
        require_running(settings)
        load_database(settings)


def load_database(settings: Settings) -> None:
    """Fill the database and store both secrets, and tell how many rows there are."""
    with console.step("Loading the on-premises database") as say:
        result = loading.load(settings, progress=say)
        database = OnPremDatabase(settings)
        secretsmanager = Aws(settings).secretsmanager
        loading.put_secret(settings, secretsmanager, database.secret())
        loading.put_masking_key(settings, secretsmanager)
    done = f"loaded {', '.join(result.loaded)}" if result.loaded else "already loaded"
    console.note(f"{done}: {sum(result.rows.values()):,} rows in {len(result.rows)} tables")
