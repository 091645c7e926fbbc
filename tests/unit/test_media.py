"""The pictures of the README show what their code says."""

from __future__ import annotations

import pytest
from architecture import ARCHITECTURE
from deploy import DEPLOY


@pytest.mark.parametrize("picture", [ARCHITECTURE, DEPLOY], ids=lambda picture: picture.path.name)
def test_a_picture_was_drawn_from_the_code_that_is_here(picture):
    assert picture.drawn_from() == picture.digest(), "draw it again: make pictures"
