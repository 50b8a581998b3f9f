"""Formulas as MathML, made at build time: browsers draw it without a script, and a page needs no network."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)


def _mathml(node: nodes.Node, latex: str, display: str) -> str:
    try:
        return convert(latex, display=display)
    except Exception as error:  # whatever the converter stumbles over is a warning with its place, hence an error in CI
        LOGGER.warning("cannot set %r: %r", latex, error, location=node)
        return ""


def inline(self: Any, node: nodes.math) -> None:
    """Write a formula in a line."""
    self.body.append(_mathml(node, node.astext(), "inline"))
    raise nodes.SkipNode


def displayed(self: Any, node: nodes.math_block) -> None:
    """Write a formula of its own."""
    self.body.append(f'<div class="math">{_mathml(node, node.astext(), "block")}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Add the renderer."""
    app.add_html_math_renderer("mathml", (inline, None), (displayed, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
