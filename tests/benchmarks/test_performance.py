"""What the page of measurements makes of figures that are given."""

import pytest

from tests.benchmarks import performance

PAIR = {"work": "a step", "peer": "a library", "ours": 0.002, "theirs": 0.009, "goal": 4.0, "limit": None}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("2 ms", "9 ms", "4.5x as fast", ">= 4x", "yes")),
        ({"goal": 5.0}, ("2 ms", "9 ms", "4.5x as fast", ">= 5x", "**no**")),
        ({"limit": 0.001}, ("2 ms", "9 ms", "4.5x as fast", ">= 4x, <= 0.001 s", "**no**")),
        ({"goal": None, "limit": 1.15, "theirs": 0.0016}, ("2 ms", "1.6 ms", "1.25x the time", "<= 1.15x", "**no**")),
        ({"theirs": None, "goal": None, "limit": 120.0}, ("2 ms", "", "", "<= 120 s", "yes")),
    ],
)
def test_a_ratio_is_held_against_its_goal(changes, expected):
    assert performance.compared(PAIR | changes) == expected


def test_notes_are_numbered_and_shares_of_the_peak_told():
    work = {"flops": 1e9, "peak_flops": 1e12, "note": "a note"}
    text = performance.against([PAIR, PAIR | work])
    assert "| a step | a library |" in text
    assert "| a step (1) (2) | a library |" in text
    assert "(1) a note.  \n(2) 500 GFLOP/s of a peak of 1000 (50%), the peer 111 (11%)." in text


def test_the_exponent_of_a_power_is_that_power():
    sizes = [(size, 3.0 * size**1.5) for size in (10, 100, 1_000)]
    assert performance.exponent(sizes) == pytest.approx(1.5)
    points = [{"curve": "work", "axis": "K", "at": at, "seconds": took, "most": 2.0} for at, took in reversed(sizes)]
    assert "| work | K | 10: 94.9 s, 100: 3e+03 s, 1,000: 9.49e+04 s | 1.50 | 1.50 | 2 |" in performance.growth(points)
