"""What the catalog calls a thing of the source."""

from __future__ import annotations

import re
import unicodedata
from typing import Collection


def catalog_name(name: str, used: Collection[str] = ()) -> str:
    """A name that Athena takes: lower-case ASCII letters, digits and underscores.

    Accents fall away, and what another name in ``used`` would share gets a number.

    Examples
    --------
    >>> catalog_name("Größe (cm)"), catalog_name("Id", {"id", "id_2"})
    ('grosse_cm', 'id_3')
    """
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    base = re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or "column"
    candidate, number = base, 1
    while candidate in used:
        number += 1
        candidate = f"{base}_{number}"
    return candidate
