"""``millpond demo``."""

from __future__ import annotations

from lake import ingest as ingestion
from lake.verbs.load import load_database
from lake.verbs.runs import follow
from lake.verbs.verify import compared, conclude
from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.deployments import deploy_quietly
from millpond.cli.session import Json, bring_up, exclusive
from millpond.client.aws import Aws


def demo(as_json: Json = False) -> None:
    """Set everything up, run the whole lake, and show source and lake side by side."""
    settings = load_settings()
    with exclusive(settings):
        bring_up(settings)
        deploy_quietly(settings)
        load_database(settings)
        aws = Aws(settings)
        follow(aws, settings, lambda: ingestion.start_ingest(aws, settings))
        comparisons = compared(settings, aws)
    conclude(comparisons, as_json=as_json)
    console.note(f"It keeps running at {settings.endpoint_url}. Next: millpond query, status, logs, down.")
