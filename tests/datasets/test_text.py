"""One text, whatever mark, encoding and line ends an editor gave it, in every file that people hand in."""

import codecs
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import datasets
import quantizers
from bench import plugins
from bench.errors import UsageError
from bench.gate import baseline
from bench.planning import tuned
from bench.planning.request import datasets_of
from bench.plugins import fingerprint
from bench.records.store import Store
from datasets import store as data_store
from datasets.text import read_text
from quantizers import registry
from quantizers.tokenizer import FACTS

ENCODINGS = {
    "plain": lambda text: text.encode(),
    "marked": lambda text: codecs.BOM_UTF8 + text.encode(),
    "Windows line ends": lambda text: text.replace("\n", "\r\n").encode(),
    "old Mac line ends": lambda text: text.replace("\n", "\r").encode(),
    "UTF-16": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "UTF-16, big end first": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
}
TUNED = """command = "é"
protocol = "tiny"
datasets = ["lorenz"]
objective = ["mse"]
constraint = ""

[[tuned]]
quantizer = "vq"
dataset = "lorenz"
trials = 3
[tuned.values]
mse = 0.5
[tuned.parameters]
decay = 0.9
"""
BASELINE = {
    "schema": 1,
    "made": {"by": "é"},
    "rows": [
        {
            "row": "vq",
            "dataset": "npz:é",
            "conditions": {"dataset_parameters": {"path": "/somewhere/é.npz", "window": 4}},
            "trainings": {"data_seeds": [0], "values": {"mse": [0.5]}},
            "null": {"data_seeds": [0], "values": {"mse": [0.25]}},
        }
    ],
}


def of_baseline(path):
    return baseline.read(path)


READERS = {
    "text": ("one é\ntwo\n", read_text),
    "parameters": (TUNED, tuned.load),
    "baseline": (json.dumps(BASELINE, indent=1, ensure_ascii=False), baseline.read),
    "plan.json": ('{"schema": 3,\n"é": 1}', lambda path: Store(path.parent, writable=False).plan()),
    "manifest": ('{"é": 1}', lambda path: data_store.read_json(path, "")),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("reader", READERS)
def test_marks_and_line_ends_do_not_matter(tmp_path, reader, encoding):
    text, read = READERS[reader]
    path = tmp_path / "plan.json"
    path.write_bytes(text.encode())
    expected = read(path)
    path.write_bytes(ENCODINGS[encoding](text))
    assert read(path) == expected


@pytest.mark.parametrize("reader", READERS)
def test_another_encoding_is_told_with_the_file_and_the_place(tmp_path, reader):
    text, read = READERS[reader]
    path = tmp_path / "plan.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises((ValueError, UsageError), match=r"plan\.json.* at byte \d+\): save it as UTF-8"):
        read(path)


def test_the_place_of_a_file_is_not_kept_in_a_baseline(tmp_path):
    (tmp_path / "b.json").write_text(json.dumps(BASELINE))
    (row,) = baseline.read(tmp_path / "b.json").rows.values()
    assert row.conditions == {"dataset_parameters": {"window": 4}}


@pytest.mark.parametrize("content", ["x = 1".encode("utf-16-le"), "x = 1".encode("utf-32-be"), b"x\0"])
def test_null_characters_are_another_encoding(tmp_path, content):
    (tmp_path / "file.txt").write_bytes(content)
    with pytest.raises(ValueError, match=r"file\.txt is no text in utf-8 \(it holds null.*: save it as UTF-8$"):
        read_text(tmp_path / "file.txt")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_tokenizers_facts_may_have_a_mark(tmp_path, encoding):
    facts = kept_facts(tmp_path)
    facts.write_bytes(ENCODINGS[encoding](facts.read_text(encoding="utf-8")))
    assert quantizers.load_tokenizer(tmp_path).about == {"row": "é"}


def test_a_tokenizers_facts_in_another_encoding_are_told(tmp_path):
    facts = kept_facts(tmp_path)
    facts.write_bytes(facts.read_text(encoding="utf-8").encode("latin-1"))
    with pytest.raises(ValueError, match=rf"{FACTS} is no text in UTF-8 \(.*\): save it as UTF-8$"):
        quantizers.load_tokenizer(tmp_path)


def kept_facts(folder):
    made = quantizers.Tokenizer("vq", {}, num_codes=4, code_dim=2, features=2, layers=([], []), about={"row": "caf"})
    made.save(folder)
    text = (folder / FACTS).read_text(encoding="utf-8").replace("caf", "é")
    (folder / FACTS).write_text(text, encoding="utf-8")
    return folder / FACTS


PLUGIN = """from quantizers import register
from quantizers.vq import VQ


@register("{name}", paper="é")
class Mine(VQ):
    pass
"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("marked", codecs.BOM_UTF8 + PLUGIN.format(name="marked").encode()),
        ("latin", b"# -*- coding: latin-1 -*-\n" + PLUGIN.format(name="latin").encode("latin-1")),
        ("windows", PLUGIN.format(name="windows").replace("\n", "\r\n").encode()),
    ],
)
def test_a_plug_in_that_python_reads_is_read(tmp_path, monkeypatch, name, content):
    monkeypatch.setattr(registry, "_FAMILIES", dict(registry._FAMILIES))
    path = tmp_path / f"{name}.py"
    path.write_bytes(content)
    assert plugins.load(str(path)) == [name]
    plain = tmp_path / "plain.py"
    plain.write_text(PLUGIN.format(name=name))
    assert fingerprint.fingerprint(path) == fingerprint.fingerprint(plain)


@pytest.mark.parametrize("content", [PLUGIN.format(name="wide").encode("utf-16"), PLUGIN.encode("latin-1"), b"\0"])
def test_a_plug_in_that_python_refuses_is_told_in_one_line(tmp_path, content):
    (tmp_path / "wide.py").write_bytes(content)
    with pytest.raises(UsageError, match=r"plug-in .*wide\.py cannot be loaded: ") as refused:
        plugins.load(str(tmp_path / "wide.py"))
    assert "\n" not in str(refused.value)


@pytest.fixture
def commas(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.npz", "a,b.npz", "a,b,c.npz", "c.npz"):
        np.savez(name, np.zeros((3, 4, 1)))


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("npz:a.npz", ["a.npz"]),
        ("npz:a,b.npz", ["a,b.npz"]),
        ("npz:a,b,c.npz", ["a,b,c.npz"]),
        ("lorenz, npz:a,b.npz ,aist", [None, "a,b.npz", None]),
        ("npz:c.npz,npz:a,b.npz", ["c.npz", "a,b.npz"]),
    ],
)
def test_a_path_may_have_commas(commas, text, files):
    paths = [output.get("path") for output in datasets_of(text).values()]
    assert [path and Path(path).name for path in paths] == files


def test_a_path_with_commas_that_is_no_file_is_explained(commas):
    with pytest.raises(UsageError, match=r"unknown dataset 'd\.npz'.*a path that has commas is taken as one where"):
        datasets_of("npz:x,d.npz")


def test_names_that_a_terminal_cannot_show_are_escaped(tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff.npz"
    with Path(os.fsdecode(name)).open("wb") as file:
        np.savez(file, np.random.default_rng(0).normal(size=(9, 40, 2)))
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(datasets.__file__).parents[1])}
    command = [sys.executable, "-m", "bench", "data", "check", b"npz:" + name]
    done = subprocess.run(command, capture_output=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"real data" in done.stdout


def test_names_on_the_ignore_list_that_match_nothing_are_counted(tmp_path):
    from datasets.motion.aist_import import summary

    manifest = {"sequences": {}, "excluded": [], "skipped": [], "ignore_list": 5, "ignore_list_unmatched": 2}
    assert "ignore list: 5 names, 2 of them match no file" in summary(manifest)
    assert "ignore list: 5 names" in summary({**manifest, "ignore_list_unmatched": 0})
