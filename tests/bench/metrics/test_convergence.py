from hypothesis import given
from hypothesis import strategies as st

from bench.metrics.convergence import steps_within
from bench.training.schedule import Schedule


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=20), st.floats(0, 1))
def test_steps_within_is_the_first_check_near_the_best(values, share):
    checks = [10 * number for number in range(1, len(values))] + [10 * len(values) - 3]  # a last, shorter span
    actual = steps_within(values, checks, share)
    index = checks.index(actual)
    assert values[index] <= min(values) * (1 + share)
    assert all(value > min(values) * (1 + share) for value in values[:index])
    assert steps_within(values, checks, 2 * share) <= actual


def test_no_checks_no_steps():
    assert steps_within([], [], 0.1) is None


def test_a_run_shorter_than_a_span_is_checked_at_its_end():
    schedule = Schedule(warm_up_epochs=1, epochs=2, batch=64, learning_rate=1e-3, check_every=500)
    assert schedule.checks(frames=640) == (20,)
    assert steps_within([1.0], schedule.checks(frames=640), 0.1) == 20
