"""What families let a tuner change."""

import math

import optuna
import pytest

import quantizers

FAMILIES = ["vq", "vq-reset", "som-hard", "ksom", "som-vq", "vq-vae", "fsq"]


@pytest.fixture(scope="module")
def drawn():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    collected = {}
    for name in FAMILIES:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        trials = [study.ask() for _ in range(20)]
        collected[name] = [(trial, quantizers.families()[name].cls.suggest(trial)) for trial in trials]
    return collected


@pytest.mark.parametrize("name", FAMILIES)
def test_whatever_is_drawn_can_be_built(drawn, name):
    defaults = quantizers.families()[name].parameters
    for _, parameters in drawn[name]:
        assert set(parameters) <= set(defaults)
        quantizers.create(name, num_codes=256, code_dim=8, **parameters)


@pytest.mark.parametrize("name", FAMILIES)
def test_no_family_is_freer_than_the_others(drawn, name):
    """At most four parameters; numbers over two decades at most, or shares."""
    for trial, _ in drawn[name]:
        assert 1 <= len(trial.distributions) <= 4
        for distribution in trial.distributions.values():
            if isinstance(distribution, optuna.distributions.FloatDistribution):
                width = math.log10(distribution.high / distribution.low) if distribution.log else None
                assert width is None or 1.9 < width <= 2.0 + 1e-9
                assert distribution.log or (distribution.low, distribution.high) == (0.0, 0.5)
            else:
                assert len(distribution.choices) <= 4


@pytest.mark.parametrize("name", FAMILIES)
def test_the_defaults_lie_within_what_is_drawn(drawn, name):
    """Else tuning could not find them again."""
    family = quantizers.families()[name]
    for parameter, default in family.parameters.items():
        values = {parameters[parameter] for _, parameters in drawn[name] if parameter in parameters}
        if not values:
            continue
        if isinstance(default, str | bool):
            assert default in values
        elif name != "fsq":
            assert min(values) <= default <= max(values)


def test_a_family_need_not_have_a_search_space():
    assert quantizers.Quantizer.suggest(None) == {}
