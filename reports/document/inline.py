"""The inline markdown of a page, read again: for the formats that are not markdown."""

from markdown_it import MarkdownIt
from markdown_it.token import Token

SHORT = 30  # characters
# What reports.document.text makes and nothing more: no links, no images, no HTML.
_PARSER = MarkdownIt("zero").enable(["backticks", "emphasis", "entity", "escape"])


def tokens(text: str) -> list[Token]:
    """Plain text, code spans, and where strong text and emphasis begin and end."""
    (root,) = _PARSER.parseInline(text)
    return root.children or []


def html(text: str) -> str:
    """As HTML; HTML in it shows as text. Code spans that fit into a narrow line have the class "short"."""
    found = tokens(text)
    for token in found:
        if token.type == "code_inline" and len(token.content) <= SHORT:
            token.attrSet("class", "short")
    return str(_PARSER.renderer.render(found, _PARSER.options, {}))


def plain(text: str) -> str:
    """Without any mark."""
    return "".join(token.content for token in tokens(text))
