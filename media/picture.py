"""What the pictures share: how they look, and how a PNG tells what it was drawn from.

``python media/draw.py`` draws both; it needs Graphviz. A PNG carries the digest of the graph that it shows,
so that a test can tell, without Graphviz, whether code and picture still agree.

Every node has its place, in points from the upper left corner of a page that is 900 points wide. The README
shows it 900 pixels wide, so that a text of 12 points is 12 pixels high there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diagrams import Diagram, Edge, Node, setdiagram
from PIL import Image
from PIL.PngImagePlugin import PngInfo

DIGEST = "graph-sha256"
FONT = "DejaVu Sans"
INK = "#232f3e"
DATA = "#1b660f"
CONTROL = "#cd2264"
WATCH = "#3f48cc"
FAILURE = "#b03a2e"
TEXT_POINTS = 12
LINE = 15
POINTS_OF_INCH = 72
# Nodes have random names, which Graphviz quotes when they begin with a digit.
_NODE = re.compile(r'"?\b([0-9a-f]{32})\b"?')


@dataclass(frozen=True)
class Picture:
    """A picture and the code that draws it.

    Parameters
    ----------
    path : Path
        The PNG.
    title : str
        Shown above it.
    draw : callable
        Adds nodes and edges.
    """

    path: Path
    title: str
    draw: Callable[[], None]

    def graph(self) -> Diagram:
        """The graph in memory; nothing is written."""
        diagram = _Unwritten(
            self.title,
            filename=str(self.path.with_suffix("")),
            show=False,
            graph_attr={
                "fontname": FONT,
                "fontsize": "20",
                "fontcolor": INK,
                "labelloc": "t",
                "pad": "0.1",
                # Twice what the README shows, for screens that show twice as many pixels.
                "dpi": "144",
                "splines": "line",
                "outputorder": "nodesfirst",
                "inputscale": str(POINTS_OF_INCH),
            },
            node_attr={"fontname": FONT, "fontsize": str(TEXT_POINTS), "fontcolor": INK},
            edge_attr={"color": INK, "penwidth": "1.4", "arrowsize": "0.7"},
        )
        # Neato leaves what has a place where it is.
        diagram.dot.engine = "neato"
        with diagram:
            self.draw()
        return diagram

    def digest(self) -> str:
        """SHA-256 of the graph: of everything that decides how the picture looks, but where the icons lie."""
        text = str(self.graph().dot)
        names: dict[str, str] = {}
        text = _NODE.sub(lambda found: names.setdefault(found[1], f"n{len(names)}"), text)
        text = re.sub(r'image="?[^"\s\]]*/resources/', "image=", text)
        return hashlib.sha256(text.encode()).hexdigest()

    def drawn_from(self) -> str | None:
        """The digest that the PNG carries."""
        with Image.open(self.path) as image:
            return image.info.get(DIGEST)

    def write(self) -> None:
        """Draw the PNG, with few colours: it lies in the repository."""
        source = self.graph().dot.render(format="png", cleanup=True, quiet=True)
        information = PngInfo()
        information.add_text(DIGEST, self.digest())
        with Image.open(source) as image:
            flat = Image.new("RGB", image.size, "white")
            flat.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
        flat.quantize(256).save(self.path, pnginfo=information, optimize=True)


class _Unwritten(Diagram):
    """A diagram that is not rendered when its context ends."""

    def __exit__(self, *_error: object) -> None:
        setdiagram(None)


def group(label: str, area: tuple[int, int, int, int], color: str, border: str) -> Node:
    """A box behind what belongs together, from left, top to right, bottom; it is drawn before that."""
    left, top, right, bottom = area
    across, down = right - left, bottom - top
    place = _place((left + right) / 2, (top + bottom) / 2, across, down)
    behind = Node("", shape="box", style="rounded,filled", fillcolor=color, color=border, **place)
    left_text(label, left + 6, top + 13, fontsize="13")
    return behind


def icon(kind: type[Node], label: str, x: int, y: int, size: int = 46) -> Node:
    """A component: its icon around a place, and below it what it is here."""
    below = LINE * (label.count("\n") + 1) + 3 if label else 0
    return kind(label, imagepos="tc", margin="0,0", **_place(x, y + below / 2, size, size + below))


def text(label: str, x: int, y: int, color: str = INK) -> Node:
    """Words around a place."""
    return Node(label, shape="plaintext", fontcolor=color, labelloc="c", **_place(x, y, 1, LINE))


def left_text(label: str, x: int, y: int, **look: str) -> Node:
    """Words on a line from a place on."""
    width = 9 * len(label) + 20
    return box(f"{label}\\l", x + width // 2, y, width, LINE, color="transparent", **look)


def point(x: int, y: int) -> Node:
    """Where an edge begins, bends or ends."""
    return Node("", shape="point", style="invis", **_place(x, y, 0.1, 0.1))


def box(label: str, x: int, y: int, width: int, height: int, **look: str) -> Node:
    """A box around a place with words in its middle."""
    return Node(label, shape="box", labelloc="c", margin="0.05,0", **look, **_place(x, y, width, height))


def _place(x: float, y: float, width: float, height: float) -> dict[str, str]:
    return {
        "pos": f"{x:g},{-y:g}!",
        "width": f"{width / POINTS_OF_INCH:.3f}",
        "height": f"{height / POINTS_OF_INCH:.3f}",
        "fixedsize": "true",
    }


def data(**attributes: str) -> Edge:
    """Where rows go."""
    return Edge(color=DATA, penwidth="2.4", **attributes)


def control(**attributes: str) -> Edge:
    """Who starts or asks whom."""
    return Edge(color=CONTROL, **attributes)


def watch(**attributes: str) -> Edge:
    """What is told to whom."""
    return Edge(color=WATCH, style="dashed", **attributes)


def failure(**attributes: str) -> Edge:
    """Where it goes on when something went wrong."""
    return Edge(color=FAILURE, style="dashed", **attributes)
