"""Calibration of standings: how often some row is falsely behind or equivalent, and how many rows are found."""

import pytest

from tests.benchmarks import calibration

EQUAL = [scenario for scenario in calibration.SCENARIOS if not scenario.leads]


def names(scenario):
    return scenario.name


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("scenario", EQUAL, ids=names)
def test_false_alarms_stay_below_five_percent(scenario, seeds):
    assert calibration.measure(scenario, seeds, 1000, calibration.moderated) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "ratio"), [(3, 4.0), (5, 1.6)])
def test_more_rows_are_found_than_without_moderation(seeds, ratio):
    (leads,) = (scenario for scenario in calibration.SCENARIOS if scenario.name == "one leads by 3 deviations")
    former, moderated = (
        calibration.measure(leads, seeds, 1000, procedure) for procedure in (calibration.former, calibration.moderated)
    )
    assert moderated >= ratio * former > 0


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [*EQUAL, *calibration.AT_THE_MARGIN], ids=names)
def test_seeds_added_until_decided_err_as_seldom(scenario):
    wrong, seeds = calibration.added_seeds(scenario, 200)
    assert wrong <= 0.05
    assert 3 <= seeds <= 20
