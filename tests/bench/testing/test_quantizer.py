"""Every check of the suite fails for the quantizer that breaks its promise, and says what to change."""

import time
from collections.abc import Iterator
from typing import Any, ClassVar
from unittest import SkipTest

import pytest
import torch
from torch import Tensor, nn

import quantizers
from bench.testing import QuantizerTestCase
from quantizers import LearnedCodebook, Quantized, registry


class Sound(LearnedCodebook):
    """A moving average.

    Args:
        num_codes: K.
        code_dim: D.
        rate: Share of the way a code goes to the mean of what hit it.
    """

    def __init__(self, num_codes: int, code_dim: int, *, rate: float = 0.1) -> None:
        super().__init__(num_codes, code_dim, commitment=0.25)
        self.rate = rate

    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        rows = torch.cat([z, torch.ones_like(z[:, :1])], dim=1)
        totals = torch.zeros_like(self.vectors[:, :1]).repeat(1, rows.shape[1]).index_add(0, codes, rows)
        hits = totals[:, -1:]
        means = torch.where(hits > 0, totals[:, :-1] / hits.clamp_min(1), self.vectors)
        self.vectors.copy_(torch.lerp(self.vectors, means, self.rate))

    @classmethod
    def suggest(cls, trial: Any) -> dict[str, Any]:
        return {"rate": trial.suggest_float("rate", 0.01, 1.0)}


class WrongShape(Sound):
    def forward(self, z: Tensor) -> Quantized:
        quantized, codes, loss = super().forward(z)
        return Quantized(quantized, codes[:, None], loss)


class WrongType(Sound):
    def encode(self, z: Tensor) -> Tensor:
        return super().encode(z).int()


class LossOfEveryRow(Sound):
    def forward(self, z: Tensor) -> Quantized:
        quantized, codes, _ = super().forward(z)
        return Quantized(quantized, codes, (quantized - z).square().mean(1))


class OutOfRange(Sound):
    def forward(self, z: Tensor) -> Quantized:
        quantized, codes, loss = super().forward(z)
        return Quantized(quantized, codes + self.num_codes * (z.square().sum(1) > 1e6), loss)


class AddsNoise(Sound):
    def forward(self, z: Tensor) -> Quantized:
        quantized, codes, loss = super().forward(z)
        return Quantized(z + (quantized - z).detach(), codes, loss)


class EncodesOtherwise(Sound):
    def forward(self, z: Tensor) -> Quantized:
        codes = self.encode(-z)
        return Quantized(self.vectors[codes] + 0 * z, codes, z.new_zeros(()))


class Soft(Sound):
    def forward(self, z: Tensor) -> Quantized:
        quantized, codes, loss = super().forward(z)
        return Quantized(0.5 * (z + quantized) if self.training else quantized, codes, loss)


class NoGradient(Sound):
    def forward(self, z: Tensor) -> Quantized:
        codes = self.encode(z)
        return Quantized(self.vectors[codes], codes, z.new_zeros(()))


class ZeroGradient(Sound):
    def forward(self, z: Tensor) -> Quantized:
        codes = self.encode(z)
        return Quantized(self.vectors[codes] + 0 * z, codes, z.new_zeros(()))


class DividesByHits(Sound):
    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        hits = torch.zeros_like(self.vectors[:, :1]).index_add(0, codes, torch.ones_like(z[:, :1]))
        self.vectors.copy_(torch.zeros_like(self.vectors).index_add(0, codes, z) / hits)


class RootOfNothing(Sound):
    def forward(self, z: Tensor) -> Quantized:
        quantized, codes, _ = super().forward(z)
        return Quantized(quantized, codes, (z / z.norm(dim=1, keepdim=True)).sum())


class ManyRows(Sound):
    def initialise(self, z: Tensor) -> None:
        self.vectors.fill_(torch.nan)
        self.vectors[: len(z)] = z[: self.num_codes]


class TakesAnything(Sound):
    codebook = property(lambda self: self.vectors, lambda self, vectors: self.vectors[: len(vectors)].copy_(vectors))


class SetsACopy(Sound):
    codebook = property(lambda self: self.vectors, lambda self, vectors: None)


class Placed(Sound):
    places: ClassVar[Tensor] = torch.arange(64)[:, None]

    def __init__(self, num_codes: int, code_dim: int) -> None:
        super().__init__(num_codes, code_dim)
        self.positions = self.places[:num_codes]


class PlacedTwice(Placed):
    places = torch.arange(64)[:, None] // 2


class PlacedFromOne(Placed):
    places = torch.arange(64)[:, None] + 1


class PlacedBetween(Placed):
    places = torch.arange(64)[:, None] / 2


class ByTheClock(Sound):
    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        self.vectors += time.perf_counter_ns() % 1_000_003


class Draws(Sound):
    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        self.vectors += torch.randn_like(self.vectors)


class DrawsToStart(Sound):
    def initialise(self, z: Tensor) -> None:
        self.vectors.copy_(z[torch.randint(len(z), (self.num_codes,))])


class Plain(Sound):
    def __init__(self, num_codes: int, code_dim: int) -> None:
        super().__init__(num_codes, code_dim)
        self.scale = torch.ones(code_dim)


class StaysHere(Sound):
    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        self.vectors.copy_(self.vectors * torch.ones(self.code_dim))


class SinglePrecision(Sound):
    def encode(self, z: Tensor) -> Tensor:
        return (z @ torch.ones(self.code_dim, self.num_codes, device=z.device)).argmax(1)


class Decides(Sound):
    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        if z.sum() > 0:
            super().update(z, codes, progress)


class Replaces(Sound):
    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        self.vectors = self.vectors * 1.1


class Counts(Sound):
    """Its state differs between replicas and one alone: it is Python's."""

    calls = 0.0

    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        type(self).calls += 1
        self.vectors.mul_(1 + 0.01 * type(self).calls)


class Forgets(Sound):
    def __init__(self, num_codes: int, code_dim: int) -> None:
        super().__init__(num_codes, code_dim)
        self.register_buffer("momentum", torch.zeros(num_codes, code_dim), persistent=False)

    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        self.momentum.copy_(0.9 * self.momentum + self.vectors)
        self.vectors.add_(0.01 * self.momentum)


class Shares(Sound):
    def __init__(self, num_codes: int, code_dim: int) -> None:
        super().__init__(num_codes, code_dim)
        self.register_buffer("alias", self.vectors[1:])


class Undocumented(Sound):
    def __init__(self, num_codes: int, code_dim: int, *, rate: float = 0.1, momentum: float = 0.0) -> None:
        super().__init__(num_codes, code_dim, rate=rate)


class SuggestsTooMuch(Sound):
    def __init__(self, num_codes: int, code_dim: int, *, rate: float = 0.1) -> None:
        if rate > 0.5:
            raise ValueError(f"Expected rate <= 0.5, got {rate}.")
        super().__init__(num_codes, code_dim, rate=rate)


class SuggestsOthers(Sound):
    @classmethod
    def suggest(cls, trial: Any) -> dict[str, Any]:
        return {"learning_rate": 0.1}


class SuggestsMany(Sound):
    @classmethod
    def suggest(cls, trial: Any) -> dict[str, Any]:
        return {name: 0.1 for name in ("rate", "a", "b", "c", "d")}


class TellsTensors(Sound):
    def describe(self) -> dict[str, Any]:
        return {"size": torch.tensor(3)}


class TooLarge(Sound):
    def __init__(self, num_codes: int, code_dim: int) -> None:
        super().__init__(num_codes, code_dim)
        self.projection = nn.Linear(2_000, 50)


BROKEN: dict[str, tuple[type[Sound], str]] = {
    "shapes_and_types": (WrongShape, "Expected codes of shape (1,) and torch.int64, got (1, 1)"),
    "shapes_and_types ": (WrongType, "Expected codes of shape (1,) and torch.int64, got (1,) and torch.int32"),
    "shapes_and_types  ": (LossOfEveryRow, "Expected loss of shape () and torch.float32, got (1,)"),
    "codes_are_in_range": (OutOfRange, "Expected codes in 0..63, got"),
    "decoding_codes_gives_the_quantized_vectors_bit_for_bit": (AddsNoise, "where not self.training return the code"),
    "decoding_codes_gives_the_quantized_vectors_bit_for_bit ": (EncodesOtherwise, "let forward call self.encode(z)"),
    "the_value_in_training_is_the_code_vector": (Soft, "return z + (vectors - z).detach()"),
    "the_gradient_reaches_z": (NoGradient, "got no gradient; return z + (vectors - z).detach()"),
    "the_gradient_reaches_z ": (ZeroGradient, "got one of 0 in all"),
    "the_loss_is_finite": (DividesByHits, "Expected vectors to stay finite, got"),
    "the_loss_is_finite ": (RootOfNothing, "got loss nan for z of scale 0"),
    "few_rows_are_enough_to_start": (ManyRows, "with 1 rows for 64 codes; repeat rows"),
    "the_codebook_can_be_set": (TakesAnything, "Expected a codebook of another shape to be refused"),
    "the_codebook_can_be_set ": (SetsACopy, "Expected the codebook to read as it was set"),
    "positions_are_places_on_a_lattice": (PlacedTwice, "got 32 places for 64 codes"),
    "positions_are_places_on_a_lattice ": (PlacedFromOne, "Expected positions counted from 0, got 1"),
    "positions_are_places_on_a_lattice  ": (PlacedBetween, "and int64, got (64, 1) and torch.float32"),
    "the_same_seed_gives_the_same_state": (ByTheClock, "Expected the same vectors from the same seed"),
    "no_random_numbers_are_drawn": (Draws, "got some in forward, encode or update; take z[:n]"),
    "no_random_numbers_are_drawn ": (DrawsToStart, "got some in initialise; take z[:n]"),
    "everything_moves_to_another_device": (
        Plain,
        "got the plain attribute scale of the quantizer; write self.register",
    ),
    "everything_moves_to_another_device ": (StaysHere, "make new tensors with z.new_zeros(...) or device=z.device"),
    "it_encodes_and_decodes_in_double_precision": (SinglePrecision, "Expected float64 to work after .double(), got"),
    "state_changes_in_place": (Replaces, "Expected vectors to be changed in place, got another tensor; write self.vec"),
    "replicas_agree": (Decides, "Expected replicas to train under torch.func.vmap, got"),
    "replicas_agree ": (Counts, "the same alone and among three"),
    "saving_and_loading_keeps_codes_and_learning": (Forgets, "Expected vectors to go on learning the same after"),
    "saving_and_loading_keeps_codes_and_learning ": (Shares, "Expected state_dict to be tensors that share no memory"),
    "parameters_are_documented": (Undocumented, "add 'momentum: ...' under 'Args:'"),
    "suggested_values_are_taken": (SuggestsTooMuch, "Expected the constructor to take what suggest returns, got 'Exp"),
    "suggested_values_are_taken ": (SuggestsOthers, "Expected suggest to name parameters of broken, got learning_rate"),
    "suggested_values_are_taken  ": (SuggestsMany, "Expected at most 4 parameters to tune, got 5"),
    "parameters_and_facts_fit_into_records": (TellsTensors, "Expected describe() to be finite numbers, text"),
    "its_capacity_can_be_matched": (TooLarge, "Expected at most 1% more or fewer network parameters"),
}


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The suite of a class that is registered for the while."""
    monkeypatch.setattr(registry, "_FAMILIES", dict(registry._FAMILIES))

    def of(cls: type[Sound]) -> QuantizerTestCase:
        quantizers.register("broken")(cls)
        return type("Case", (QuantizerTestCase,), {"label": "broken"})()

    yield of


@pytest.mark.parametrize("check", BROKEN)
def test_a_broken_promise_is_told_with_what_to_change(case: Any, check: str) -> None:
    cls, message = BROKEN[check]
    with pytest.raises(AssertionError) as raised:
        getattr(case(cls), f"test_{check.strip()}")()
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_sound_quantizer_passes_every_check(case: Any) -> None:
    subject = case(Sound)
    skipped = []
    for name in dir(subject):
        if name.startswith("test_"):
            try:
                getattr(subject, name)()
            except SkipTest:
                skipped.append(name)
    assert set(skipped) <= {"test_positions_are_places_on_a_lattice", "test_it_gives_the_same_codes_on_cuda"}


def test_every_check_is_broken_by_someone() -> None:
    checks = {name.removeprefix("test_") for name in dir(QuantizerTestCase) if name.startswith("test_")}
    assert checks - {"it_gives_the_same_codes_on_cuda"} == {name.strip() for name in BROKEN}


def test_what_does_not_apply_is_skipped_with_a_reason(case: Any) -> None:
    class Alone(Sound):
        vectorised: ClassVar[bool] = False
        codebook = property(lambda self: self.vectors)
        suggest = None  # type: ignore[assignment]
        hidden = 512

        def initialise(self, z: Tensor) -> None:
            self.vectors.copy_(z[: self.num_codes])

    subject = case(Alone)
    for check, reason in (
        ("replicas_agree", "vectorised = False"),
        ("the_codebook_can_be_set", "no setter"),
        ("positions_are_places_on_a_lattice", "positions is None"),
        ("suggested_values_are_taken", "no search space"),
        ("its_capacity_can_be_matched", "--capacity published"),
    ):
        with pytest.raises(SkipTest, match=reason):
            getattr(subject, f"test_{check}")()


def test_a_case_without_a_name_says_so() -> None:
    class TestNothing(QuantizerTestCase): ...

    with pytest.raises(AssertionError, match="set label = 'name'"):
        TestNothing().test_shapes_and_types()
