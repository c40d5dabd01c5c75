import numpy as np
import pytest

from bench.stats.components import components, pooled_variance


def test_components_by_hand():
    # Rows 1 2 3 and 3 2 7: seed means 2, 2, 5; row means 2, 4; grand mean 3. Residuals are -(0, 1, -1) and (0, -1, 1)
    # with the squares 4 over 2 degrees of freedom: rest 2. Between seeds: 2 (1 + 1 + 4) / 2 = 6; shared (6 - 2) / 2.
    parts = components({"a": {0: 1.0, 1: 2.0, 2: 3.0}, "b": {0: 3.0, 1: 2.0, 2: 7.0}})
    assert (parts.shared, parts.rest, parts.total) == pytest.approx((2.0, 2.0, 4.0))


def test_known_components_are_found_again():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 2.0, (1, 3000)) + rng.normal(0, 1.0, (7, 3000)) + np.arange(7)[:, None]
    parts = components({str(row): dict(enumerate(of_seeds)) for row, of_seeds in enumerate(values.tolist())})
    assert parts.shared == pytest.approx(4.0, rel=0.08)
    assert parts.rest == pytest.approx(1.0, rel=0.05)


def test_a_negative_estimate_is_zero():
    assert components({"a": {0: 1.0, 1: 2.0, 2: 1.0}, "b": {0: 2.0, 1: 1.0, 2: 2.0}}).shared == 0.0


@pytest.mark.parametrize(
    "column", [{}, {"a": {0: 1.0, 1: 2.0, 2: 3.0}}, {"a": {0: 1.0, 1: 2.0}, "b": {0: 1.0, 1: 2.0}}]
)
def test_too_little_tells_nothing_apart(column):
    assert components(column) is None


def test_rows_that_lack_a_seed_are_left_out():
    whole = {"a": {0: 1.0, 1: 2.0, 2: 3.0}, "b": {0: 3.0, 1: 2.0, 2: 7.0}}
    assert components(whole | {"c": {0: 100.0}}) == components(whole)


def test_no_group_of_two_has_no_variance():
    assert pooled_variance([[1.0], []]) is None
