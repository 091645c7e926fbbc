"""The pictures of the README show what their code says."""

from __future__ import annotations

import json
import re

import pytest
from architecture import ARCHITECTURE
from deploy import DEPLOY
from house import DOCUMENT, PICTURE, draw
from PIL import Image

from millpond.base.config import CHECKOUT

# As wide as the README shows it, which is what its text is sized for.
README_WIDTH, SHOWN = 900, 12


@pytest.mark.parametrize("picture", [ARCHITECTURE, DEPLOY], ids=lambda picture: picture.path.name)
def test_a_picture_was_drawn_from_the_code_that_is_here(picture):
    assert picture.drawn_from() == picture.digest(), "draw it again: make pictures"


@pytest.mark.parametrize("picture", [ARCHITECTURE, DEPLOY], ids=lambda picture: picture.path.name)
def test_the_text_of_a_picture_is_legible_where_the_readme_shows_it(picture):
    with Image.open(picture.path) as image:
        shrunk = README_WIDTH / image.width
    source = str(picture.graph().dot)
    dots = float(re.search(r"dpi=(\d+)", source)[1])
    sizes = [float(size) for size in re.findall(r"fontsize=(\d+)", source)]
    assert min(sizes) * dots / 72 * shrunk == pytest.approx(SHOWN, abs=0.1)


def states(machine: dict) -> dict[str, str]:
    """Type of each state, those of its Map too."""
    found = {}
    for name, state in machine["States"].items():
        found |= {name: state["Type"], **states(state.get("ItemProcessor", {"States": {}}))}
    return found


def test_the_ingest_is_drawn_with_the_states_that_the_machine_has():
    template = (CHECKOUT / "terraform/state_machines/ingest.asl.json.tftpl").read_text()
    machine = states(json.loads(re.sub(r"(?<=: )\$\{\w+\}", "0", template)))
    labels = " ".join(re.findall(r'label="?([^"\]]*)', str(ARCHITECTURE.graph().dot)))
    words = set(re.findall(r"[A-Za-z]+", labels.replace("\\n", " ").replace("\\l", " ")))
    assert {name for name, kind in machine.items() if kind in ("Task", "Map")} <= words
    named_like_a_state = {word for word in words if re.fullmatch(r"([A-Z][a-z]+){2,}", word)}
    assert named_like_a_state <= set(machine)


def test_the_rooms_are_drawn_as_the_code_imports_them():
    assert PICTURE.search(DOCUMENT.read_text())[0] == draw(), "draw it again: make pictures"
