import re

import pytest

from reports.document import inline
from reports.document.text import code, escape

NASTY = [
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![x](http://x.y)",
    "a|`b`*c*_d_~e~$f$",
    "&amp;",
    "\\",
]


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("wrap", [escape, code])
def test_what_users_name_comes_back_as_text(name, wrap):
    assert inline.plain(f"the {wrap(name)} row") == f"the {name} row"
    shown = inline.html(f"the {wrap(name)} row")
    assert re.sub('</?code( class="short")?>', "", shown).count("<") == 0
    assert not any(token.type in ("link_open", "image", "html_inline") for token in inline.tokens(wrap(name)))


def test_marks_become_elements():
    long = "x" * 40
    assert inline.html(f"**best** `vq` *published* `{long}`") == (
        f'<strong>best</strong> <code class="short">vq</code> <em>published</em> <code>{long}</code>'
    )
    assert inline.html("") == ""
