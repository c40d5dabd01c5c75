import pytest

from bench._checkout import ROOT
from bench.plugins.fingerprint import fingerprint

SOURCE = '''"""A module."""

from quantizers import LearnedCodebook


class Mine(LearnedCodebook):
    """Mine."""

    def rate(self):
        return 1
'''


@pytest.fixture
def of(tmp_path):
    def compute(source, name="plugin.py"):
        path = tmp_path / str(abs(hash(source))) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        return fingerprint(path)

    return compute


def test_comments_docstrings_and_layout_do_not_count(of):
    other = (
        SOURCE.replace("A module.", "Another text.")
        .replace('"""Mine."""', '"""Yours."""  # why')
        .replace("return 1", "return (\n            1\n        )")
    )
    assert other != SOURCE
    assert of(other) == of(SOURCE)


def test_code_counts(of):
    assert of(SOURCE.replace("return 1", "return 2")) != of(SOURCE)


def test_what_is_imported_of_ours_counts_through_the_package_but_not_its_other_families(of, monkeypatch):
    from bench.plugins import fingerprint as module

    before = of(SOURCE)
    parse = module._parse

    def changed(name):
        def read(path):
            tree = parse(path)
            if path == ROOT / "quantizers" / name:
                tree.body = tree.body[:-1]
            return tree

        return read

    for name, moves in (("base.py", True), ("ksom.py", False)):
        fingerprint.cache_clear()
        monkeypatch.setattr(module, "_parse", changed(name))
        assert (of(SOURCE) != before) == moves
    fingerprint.cache_clear()
