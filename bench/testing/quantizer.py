"""The conformance suite of a quantizer."""

import quantizers
from bench.planning.capacity import TOLERANCE, match
from bench.planning.protocol import PAPER, QUICK
from bench.testing.checks import expect, expect_documented, expect_json, line, skip
from bench.testing.state import StateChecks
from bench.testing.vectors import VectorChecks

MOST_TUNED = 4  # so that every family has the same freedom


class QuantizerTestCase(StateChecks, VectorChecks):  # so their checks come in the order vectors, state
    """Conformance suite of quantizers: every method that begins with `test_` checks one promise.

    Inherit it in a class whose name begins with `Test`, set `label`, and let pytest run it. `parameters`, `num_codes`
    and `code_dim` may be set too; a check that means nothing for a quantizer is overridden with one that says why.
    """

    def test_suggested_values_are_taken(self) -> None:
        """The search space of `bench tune` holds only what the constructor accepts."""
        import optuna

        suggest = getattr(type(self.create()), "suggest", None)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        defaults = quantizers.get(self.label)[0].parameters
        for _ in range(20):
            values = suggest(study.ask()) if suggest else {}
            if not values:
                skip("it declares no search space, suggest(trial), so that bench tune leaves it as it is")
            expect(len(values) <= MOST_TUNED, f"Expected at most {MOST_TUNED} parameters to tune, got {len(values)}.")
            unknown = sorted(values.keys() - defaults.keys())
            expect(not unknown, f"Expected suggest to name parameters of {self.label}, got {', '.join(unknown)}.")
            expect_json("what suggest returns", values)
            try:
                quantizers.create(self.label, num_codes=self.num_codes, code_dim=self.code_dim, **values)
            except ValueError as error:
                raise AssertionError(
                    f"Expected the constructor to take what suggest returns, got '{line(error)}' for {values}; "
                    "narrow the range."
                ) from error

    def test_parameters_are_documented(self) -> None:
        """The docstring describes every parameter that `bench list` names."""
        family = quantizers.get(self.label)[0]
        expect_documented(family.cls, family.parameters)

    def test_parameters_and_facts_fit_into_records(self) -> None:
        """Keys and records are JSON."""
        expect_json("the parameters' defaults", quantizers.get(self.label)[1])
        expect_json("describe()", self.create().describe())

    def test_its_capacity_can_be_matched(self) -> None:
        """Projections count as the network's, whose hidden width gives way to them."""
        if self.create().hidden:
            skip("it has a published hidden width, which runs with --capacity published")
        for protocol in (QUICK, PAPER):
            capacity = match(self.create(num_codes=protocol.codebook_size, code_dim=8), protocol)
            expect(
                abs(capacity.mismatch) <= TOLERANCE,
                f"Expected at most {TOLERANCE:.0%} more or fewer network parameters than the protocol {protocol.name} "
                f"gives, got {capacity.mismatch:+.1%}; make its projections smaller.",
            )
