import pytest

from bench.errors import UsageError
from bench.metrics import METRICS
from bench.planning.rows import Row, parse
from bench.vocabulary import CONTROL, FAMILY, REFERENCE

ON_GRID = {name for name, metric in METRICS.items() if metric.function and "positions" in metric.needs}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vq", Row(name="vq", quantizer="vq")),
        ("fsq:2d", Row(name="fsq:2d", quantizer="fsq:2d")),
        ("vq@64", Row(name="vq@64", quantizer="vq", codebook_size=64)),
        (
            "rvq@1024x4",
            Row(name="rvq@1024x4", quantizer="rvq", codebook_size=2**40, parameters={"stages": 4}),
        ),
        (
            "pq:one-index@16x2",
            Row(name="pq:one-index@16x2", quantizer="pq:one-index", codebook_size=256, parameters={"groups": 2}),
        ),
        ("som-vq:paper@64", Row(name="som-vq:paper@64", quantizer="som-vq:paper", codebook_size=64)),
        ("vq+sorted", Row(name="vq+sorted", quantizer="vq", control="sorted", role=CONTROL)),
        (
            "vq@64+shuffled",
            Row(name="vq@64+shuffled", quantizer="vq", codebook_size=64, control="shuffled", role=CONTROL),
        ),
        ("ksom+shuffled-grid", Row(name="ksom+shuffled-grid", quantizer="ksom", control="shuffled-grid", role=CONTROL)),
        ("none", Row(name="none", quantizer="none", role=REFERENCE)),
        ("kmeans", Row(name="kmeans", quantizer="kmeans", role=REFERENCE)),
        ("kmeans@64", Row(name="kmeans@64", quantizer="kmeans", codebook_size=64, role=REFERENCE)),
    ],
)
def test_the_grammar(text, expected):
    assert parse(text) == expected


def test_only_a_plain_row_is_a_family():
    assert {text: parse(text).role for text in ("vq", "vq@2", "none", "vq+sorted")} == {
        "vq": FAMILY,
        "vq@2": FAMILY,
        "none": REFERENCE,
        "vq+sorted": CONTROL,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vqq", "did you mean 'vq'?"),
        ("kmean", "did you mean 'kmeans'?"),
        ("nune", "did you mean 'none'?"),
        ("som-vq:papr", "did you mean 'paper'?"),
        ("vq:nope", "vq"),
        ("none:paper", "none is a reference, which has no presets"),
        ("vq@1", "between 2 and 1048576 in vq@1, got '1'"),
        ("vq@1048577", "between 2 and 1048576"),
        ("vq@999999999999", "between 2 and 1048576"),
        ("vq@x", "in vq@x, got 'x'"),
        ("vq@", "in vq@, got ''"),
        ("vq@-4", "got '-4'"),
        ("vq@\u0664\u0662", "between 2 and 1048576"),
        ("vq@64@32", "QUANTIZER[:PRESET][@K][+CONTROL]"),
        ("vq+sorted@64", "QUANTIZER[:PRESET][@K][+CONTROL]"),
        ("@64", "QUANTIZER[:PRESET][@K][+CONTROL]"),
        ("+sorted", "QUANTIZER[:PRESET][@K][+CONTROL]"),
        ("vq+nope", "unknown control 'nope' in 'vq+nope'"),
        ("vq+sort", "did you mean 'sorted'?"),
        ("vq+", "unknown control ''"),
        ("vq+sorted+shuffled", "QUANTIZER[:PRESET][@K][+CONTROL]"),
        ("none+sorted", "a control is made of a quantizer"),
        ("kmeans+shuffled", "a control is made of a quantizer"),
    ],
)
def test_what_is_no_row_is_told_in_one_line(text, expected):
    with pytest.raises(UsageError) as refused:
        parse(text)
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


def test_metrics_that_a_row_may_have():
    everything = {name for name, metric in METRICS.items() if metric.function}
    actual = {text: set(parse(text).measured) for text in ("vq", "none", "kmeans", "vq+sorted", "vq+shuffled")}
    assert actual["vq"] == everything
    assert actual["none"] == {"mse", "explained", "error_units"}
    assert everything - actual["kmeans"] == {"steps_within_10", "steps_within_20"}
    assert actual["vq+sorted"] == ON_GRID
    assert set(parse("som-vq+shuffled-grid").measured) == ON_GRID - {"topology_gain"}
    assert actual["vq+shuffled"] == {
        *("unigram_ppl", "seq_ppl_17", "seq_ppl", "seq_ppl_converged", "bits_per_frame", "bits_eighth", "ngram_bits")
    }


def test_a_list_of_metrics_only_narrows():
    wanted = ("trust", "mse", "seq_ppl")
    assert Row(name="vq", quantizer="vq", metrics=wanted).measured == ("mse", "trust", "seq_ppl")
    assert Row(name="none", quantizer="none", metrics=wanted).measured == ("mse",)
    assert Row(name="vq+shuffled", quantizer="vq", control="shuffled", metrics=wanted).measured == ("seq_ppl",)
