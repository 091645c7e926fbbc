"""What is there, as documents made from the tables that the code itself is run by.

``python -m millpond.localstack_ext.coverage docs/coverage`` writes them anew; a test compares them.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from millpond.localstack_ext.engine.dispatch import answers
from millpond.planes.athena.operations import OPERATIONS as ATHENA
from millpond.planes.codebuild.operations import OPERATIONS as CODEBUILD
from millpond.planes.common.operations import Answer, Operations
from millpond.planes.glue.arguments import ARGUMENTS, Effect
from millpond.planes.glue.operations import OPERATIONS as GLUE

MEANINGS = {
    Answer.OWN: "Millpond does what AWS does",
    Answer.ENGINE: "the engine's own implementation answers",
    Answer.KEPT: "what is created can be read, listed and deleted; nothing comes of it",
    Answer.REFUSED: "an error of AWS's form; nothing is done",
}


def operations_document(operations: Operations) -> str:
    """What becomes of each operation of a service."""
    told = answers(operations.service, operations)
    count = Counter(told.values())
    return "\n".join(
        [
            f"# Operations of {operations.service}",
            "",
            *_table(
                ("answer", "operations", "meaning"),
                [(answer.value, str(count[answer]), MEANINGS[answer]) for answer in Answer],
            ),
            "",
            *_table(("operation", "answer"), [(name, told[name].value) for name in sorted(told)]),
            "",
        ]
    )


def arguments_document() -> str:
    """What becomes of each argument that Glue keeps for itself."""
    count = Counter(effect for effect, _ in ARGUMENTS.values())
    shown = ", ".join(f"{count[effect]} {effect.value}" for effect in Effect)
    rows = [(f"`{name}`", effect.value, note) for name, (effect, note) in sorted(ARGUMENTS.items())]
    return "\n".join(
        [
            "# Arguments of Glue jobs",
            "",
            f"What Glue acts on and a script does not see: {shown}. Any other argument is the script's.",
            "",
            *_table(("argument", "here", ""), rows),
            "",
        ]
    )


DOCUMENTS: Mapping[str, Callable[[], str]] = {
    "athena-operations.md": lambda: operations_document(ATHENA),
    "codebuild-operations.md": lambda: operations_document(CODEBUILD),
    "glue-arguments.md": arguments_document,
    "glue-operations.md": lambda: operations_document(GLUE),
}


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(columns)} |",
        f"|{'---|' * len(columns)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def main(directory: Path) -> None:
    """Write every document."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, document in DOCUMENTS.items():
        (directory / name).write_text(document())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
