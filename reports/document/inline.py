"""Reader of the inline markdown of a page, for the formats that are not markdown."""

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
    """Convert to HTML; HTML in the text shows as text. Code spans that fit a narrow line have the class "short"."""
    parsed = tokens(text)
    for token in parsed:
        if token.type == "code_inline" and len(token.content) <= SHORT:
            token.attrSet("class", "short")
    return str(_PARSER.renderer.render(parsed, _PARSER.options, {}))


def plain(text: str) -> str:
    """Convert to plain text, without any mark."""
    return "".join(token.content for token in tokens(text))
