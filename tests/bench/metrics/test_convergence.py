from hypothesis import given
from hypothesis import strategies as st

from bench.metrics.convergence import steps_within


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=20), st.floats(0, 1))
def test_steps_within_is_the_first_check_near_the_best(values, share):
    found = steps_within(values, 10, share)
    index = found // 10 - 1
    assert values[index] <= min(values) * (1 + share)
    assert all(value > min(values) * (1 + share) for value in values[:index])
    assert steps_within(values, 10, 2 * share) <= found


def test_no_checks_no_steps():
    assert steps_within([], 10, 0.1) is None
