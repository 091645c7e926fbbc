"""Draw the pictures of the README; needs Graphviz."""

from __future__ import annotations

from architecture import ARCHITECTURE
from deploy import DEPLOY

PICTURES = (ARCHITECTURE, DEPLOY)

if __name__ == "__main__":
    for picture in PICTURES:
        picture.write()
