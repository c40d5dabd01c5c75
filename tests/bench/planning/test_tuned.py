import json

import pytest

import quantizers
from bench.errors import UsageError
from bench.planning import cells
from bench.planning.cells import from_values, values
from bench.planning.planner import make
from bench.planning.request import Request
from bench.planning.tuned import UNCONSTRAINED, WINNER, Tuned, dump, load, questions

FACTS = {
    "command": 'bench tune "x"',
    "protocol": "tiny",
    "datasets": ["lorenz"],
    "objective": ["mse"],
    "constraint": "",
    "seeds": 2,
}
VQ = Tuned(
    quantizer="vq",
    dataset="lorenz",
    trials=40,
    parameters={"decay": 0.95, "update_zero": False, "smoothing": "none"},
    values={"mse": 1e-05},
)
SOM_VQ = Tuned(quantizer="som-vq", dataset="lorenz", trials=40, parameters={"sigma": 2}, values={"mse": 0.5})


@pytest.fixture
def file(tmp_path):
    def write(*entries, text=None):
        path = tmp_path / "tuned.toml"
        path.write_text(dump(FACTS, {WINNER: list(entries)}) if text is None else text)
        return path

    return write


def plan(path, **more):
    return make(
        Request(**{"quantizers": "vq,fsq", "datasets": "lorenz", "protocol": "tiny", "params": str(path)} | more)
    )


def test_what_is_written_is_read(file):
    path = file(VQ, SOM_VQ)
    assert load(path) == {("vq", "lorenz"): VQ, ("som-vq", "lorenz"): SOM_VQ}
    assert questions(path)["command"] == 'bench tune "x"'
    assert load(path, UNCONSTRAINED) == {}


def test_a_run_takes_tuned_values_and_says_what_they_cost(file):
    made = plan(file(VQ))
    actual = {cell.row: cell.parameters for cell in made.cells}
    assert (actual["vq"]["decay"], actual["vq"]["update_zero"], actual["vq"]["commitment"]) == (
        0.95,
        False,
        USUAL["commitment"],
    )
    assert {row["quantizer"]: row["trials"] for row in cells.capacity_rows(made)} == {"vq": 40, "fsq": 0}
    kept = from_values(json.loads(json.dumps(values(made))))
    assert kept.trials == made.trials == {("vq", "lorenz"): 40}
    assert made.cells[0].key != make(Request(quantizers="vq", datasets="lorenz", protocol="tiny")).cells[0].key


def test_a_value_set_by_hand_goes_before_a_tuned_one(file):
    made = plan(file(VQ), settings=("vq.decay=0.9",))
    assert made.cells[0].parameters["decay"] == 0.9
    assert made.cells[0].parameters["smoothing"] == "none"


def test_presets_other_sizes_and_suites_rows_keep_their_own(file):
    made = plan(file(VQ, SOM_VQ), quantizers="vq,vq@64,vq+sorted,som-vq,som-vq:paper")
    decays = {cell.row: cell.parameters.get("decay") for cell in made.cells}
    assert (decays["vq"], decays["vq@64"], decays["vq+sorted"]) == (0.95, USUAL["decay"], 0.95)
    sigmas = {cell.row: cell.parameters.get("sigma") for cell in made.cells}
    assert (sigmas["som-vq"], sigmas["som-vq:paper"]) == (2, 0.5)
    tokenizers = {cell.row: cell.tokenizer_key for cell in made.cells}
    assert tokenizers["vq"] == tokenizers["vq+sorted"]


def test_a_file_for_none_of_the_rows_is_refused(file):
    with pytest.raises(UsageError, match="is for som-vq on lorenz; none of them is in this run"):
        plan(file(SOM_VQ))


USUAL = quantizers.get("vq")[1]
HEAD = '[[tuned]]\ntrials = 1\nvalues = {}\ndataset = "lorenz"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", r"it has no \[\[tuned\]\]"),
        ("x = ", "expected what bench tune wrote"),
        ("[[tuned]]\nnope = 1\n", "expected what bench tune wrote"),
        (HEAD + 'quantizer = "vq"\nparameters = {decya = 1}\n', "vq.decya: expected one of decay"),
        (
            HEAD + 'quantizer = "vq"\nparameters = {decay = "x"}\n',
            f"vq.decay: expected a value such as {USUAL['decay']}",
        ),
        (
            HEAD + 'quantizer = "vq"\nparameters = {decay = true}\n',
            f"vq.decay: expected a value such as {USUAL['decay']}",
        ),
        (HEAD + 'quantizer = "vq"\nparameters = {update_zero = 1}\n', "vq.update_zero: expected a value such as True"),
        (HEAD + 'quantizer = "vqq"\nparameters = {}\n', "did you mean 'vq'"),
        (HEAD + "quantizer = 3\nparameters = {}\n", "tuned.toml"),
        (HEAD + 'quantizer = "som-vq:paper"\nparameters = {}\n', "is a preset, which keeps its values"),
        (HEAD + 'quantizer = "vq"\nparameters = {decay = 2.0}\n', "0 <= decay < 1"),
    ],
)
def test_a_file_that_cannot_be_taken_is_one_line(file, text, expected):
    with pytest.raises(UsageError, match=expected) as raised:
        plan(file(text=text))
    assert "\n" not in str(raised.value)


def test_an_absent_file_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="expected what bench tune wrote"):
        plan(tmp_path / "absent.toml")


def test_a_file_that_does_not_tell_of_its_study_cannot_be_confirmed(file):
    with pytest.raises(UsageError, match="it does not tell of its study"):
        questions(file(text="protocol = 3\n"))
