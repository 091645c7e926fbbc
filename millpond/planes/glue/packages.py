"""``spark.jars.packages``: what a run wants of a Maven repository.

Spark resolves it when its JVM starts, which is before a script can say it. So what a script's own builder
says is read from its source, where it stands as text.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millpond.planes.glue.workers import GlueSettings

PACKAGES = "spark.jars.packages"


def asked_for(sources: Iterable[str], conf: Mapping[str, str]) -> tuple[str, list[str]]:
    """The coordinates that a run asks for, and lines for its log.

    Parameters
    ----------
    sources : iterable of str
        The script and its libraries.
    conf : mapping of str to str
        Properties of ``--conf``, which win.

    Examples
    --------
    >>> asked_for(['builder.config("spark.jars.packages", "g:a:1,g:b:2")'], {})
    ('g:a:1,g:b:2', [])
    """
    if PACKAGES in conf:
        return conf[PACKAGES], []
    found: list[str] = []
    warnings: list[str] = []
    for source in sources:
        if PACKAGES not in source:
            continue
        values = _values(source)
        found += [value for value in values if value]
        if not values or None in values:
            warnings.append(
                f"WARNING: the script sets {PACKAGES} to what is not written out in it, after its JVM has "
                f"started: it has no effect. Give it by --conf {PACKAGES}=GROUP:ARTIFACT:VERSION."
            )
    return ",".join(dict.fromkeys(found)), warnings


def conf(packages: str, given: Mapping[str, str], settings: GlueSettings) -> dict[str, str]:
    """The properties of a run with what resolves its packages: the user's cache, and the mirror if set."""
    if not packages:
        return dict(given)
    own = {PACKAGES: packages, "spark.jars.ivy": str(settings.cache / "ivy")}
    if settings.maven_mirror:
        own["spark.jars.ivySettings"] = str(_ivy_settings(settings.cache / "ivy", settings.maven_mirror))
    return {**own, **given}


def _ivy_settings(directory: Path, mirror: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "settings.xml"
    path.write_text(
        '<ivysettings><settings defaultResolver="central"/><resolvers>'
        f'<ibiblio name="central" m2compatible="true" root="{mirror}"/></resolvers></ivysettings>\n'
    )
    return path


def _values(source: str) -> list[str | None]:
    """What each call in a source gives to the property; None where it is not written out."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return [None]
    names = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return [
        _text(call.args[1], names)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and len(call.args) > 1 and _text(call.args[0], names) == PACKAGES
    ]


def _text(node: ast.expr, names: Mapping[str, ast.expr]) -> str | None:
    """The text that an expression is where it is written out: a literal, a sum or join of such, a name."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.Name(id=name) if name in names and not isinstance(names[name], ast.Name):
            return _text(names[name], {})
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            parts = [_text(left, names), _text(right, names)]
            return None if None in parts else "".join(part for part in parts if part)
        case ast.Call(
            func=ast.Attribute(value=ast.Constant(value=str() as between), attr="join"),
            args=[ast.List(elts=elements) | ast.Tuple(elts=elements)],
        ):
            texts = [_text(one, names) for one in elements]
            return None if None in texts else between.join(text for text in texts if text)
    return None
