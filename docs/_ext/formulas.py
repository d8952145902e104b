"""Formulas as MathML, which browsers show without a script from the net."""

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)


def _mathml(translator, node, as_block):
    code = node.astext().strip()
    try:
        found = latex2mathml.tex2mathml(code, as_block=as_block)
    except MathError as error:
        logger.warning("formula %r: %s", code, error, location=node)
        found = f"<code>{translator.encode(code)}</code>"
    translator.body.append(f'<div class="formula">{found}</div>' if as_block else found)
    raise nodes.SkipNode


def inline(translator, node):
    _mathml(translator, node, False)


def block(translator, node):
    _mathml(translator, node, True)


def setup(app):
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True}
