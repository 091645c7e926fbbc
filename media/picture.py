"""What the pictures share: how they look, and how a PNG tells what it was drawn from.

``python media/draw.py`` draws both; it needs Graphviz. A PNG carries the digest of the graph that it shows,
so that a test can tell, without Graphviz, whether code and picture still agree.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diagrams import Cluster, Diagram, Edge, Node, setdiagram
from PIL import Image
from PIL.PngImagePlugin import PngInfo

DIGEST = "graph-sha256"
FONT = "DejaVu Sans"
INK = "#232f3e"
DATA = "#1b660f"
CONTROL = "#cd2264"
WATCH = "#3f48cc"
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
    direction : {"LR", "TB"}
        Where its edges lead.
    draw : callable
        Adds nodes and edges.
    """

    path: Path
    title: str
    direction: str
    draw: Callable[[], None]

    def graph(self) -> Diagram:
        """The graph in memory; nothing is written."""
        diagram = _Unwritten(
            self.title,
            filename=str(self.path.with_suffix("")),
            direction=self.direction,
            show=False,
            curvestyle="curved",
            graph_attr={
                "fontname": FONT,
                "fontsize": "34",
                "fontcolor": INK,
                "labelloc": "t",
                "pad": "0.35",
                "nodesep": "0.95",
                "ranksep": "0.6",
                "dpi": "96",
                "compound": "true",
                "splines": "spline",
            },
            node_attr={"fontname": FONT, "fontsize": "19", "fontcolor": INK},
            edge_attr={"fontname": FONT, "fontsize": "17", "fontcolor": INK, "color": INK, "penwidth": "1.8"},
        )
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


def group(
    label: str, color: str = "#f7f8fa", border: str = "#879196", style: str = "rounded,filled"
) -> Cluster:
    """A box around what belongs together."""
    attributes = {
        "fontname": FONT,
        "fontsize": "22",
        "fontcolor": INK,
        "bgcolor": color,
        "pencolor": border,
        "style": style,
        "penwidth": "1.6",
        "margin": "18",
    }
    return Cluster(label, graph_attr=attributes)


def data(label: str = "", **attributes: str) -> Edge:
    """Where rows go."""
    return Edge(label=label, color=DATA, fontsize="17", penwidth="3", **attributes)


def control(label: str = "", **attributes: str) -> Edge:
    """Who starts or asks whom."""
    return Edge(label=label, color=CONTROL, fontsize="17", **attributes)


def watch(label: str = "", **attributes: str) -> Edge:
    """What is told to whom."""
    return Edge(label=label, color=WATCH, fontsize="17", style="dashed", **attributes)


def icon(kind: type[Node], label: str) -> Node:
    """A component: its icon, and below it what it is here."""
    return kind(label, width="1.3", height=f"{1.65 + 0.3 * label.count(chr(10)):.2f}", imagepos="tc")
