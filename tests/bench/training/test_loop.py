import copy
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import quantizers
from bench.kernels import cuda_graphs
from bench.training.autoencoder import Autoencoder
from bench.training.loop import train
from bench.training.replicas import Replicas
from bench.training.schedule import History, Schedule

WIDTH, FRAMES, BATCH = 4, 640, 64
SCHEDULE = Schedule(warm_up_epochs=1, epochs=5, batch=BATCH, learning_rate=1e-3)  # 5 epochs of 10 steps

SWITCHES: dict[str, tuple[str, dict[str, Any]]] = {
    label: (label, {})
    for name, family in quantizers.families().items()
    for label in (name, *(f"{name}:{preset}" for preset in family.presets))
} | {
    "ksom hard by tau": ("ksom", {"neighbourhood": "hard", "schedule": "tau", "smoothing": "persistent"}),
    "ksom exponential": ("ksom", {"neighbourhood": "exponential", "dimensions": 1}),
    "ksom exponential on a grid": ("ksom", {"neighbourhood": "exponential", "schedule": "tau", "update_zero": False}),
    "vq without update-0": ("vq", {"update_zero": False, "initial_count": 0.0, "smoothing": "none"}),
    "vq-reset often": ("vq-reset", {"reset_window": 8.0, "reset_threshold": 0.5}),
    "vq-vae:paper with resets": ("vq-vae:paper", {"reset_window": 8.0, "reset_threshold": 0.5}),
    "vq-vae with resets": ("vq-vae", {"reset_window": 8.0, "reset_threshold": 0.5}),
}

Create = Callable[[], quantizers.Quantizer]


def data(seed: int, count: int = FRAMES) -> Tensor:
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(1000 + seed))


def build(create: Create, seed: int, device: str = "cpu") -> Autoencoder:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Autoencoder(create(), 12).to(device)


def run(
    create: Create,
    seeds: list[int],
    schedule: Schedule = SCHEDULE,
    max_steps: int | None = None,
    device: str = "cpu",
    change: Callable[[int, Autoencoder], None] | None = None,
) -> tuple[list[Autoencoder], list[History]]:
    models = [build(create, seed, device) for seed in seeds]
    for seed, model in zip(seeds, models, strict=True):
        if change is not None:
            change(seed, model)
    frames = [data(seed).to(device) for seed in seeds]
    validation = [data(seed + 500, 100).to(device) for seed in seeds]
    return models, train(models, frames, validation, seeds, schedule, max_steps)


def named(label: str, **parameters: Any) -> Create:
    return lambda: quantizers.create(label, num_codes=16, code_dim=WIDTH, **parameters)


def assert_alike(first: nn.Module, second: nn.Module, tolerance: float) -> None:
    other = second.state_dict()
    for name, value in first.state_dict().items():
        torch.testing.assert_close(value, other[name], rtol=0, atol=tolerance, msg=lambda text, name=name: name + text)


def assert_alone_as_among_five(name: str, device: str, tolerance: float) -> None:
    label, parameters = SWITCHES[name]
    together, histories = run(named(label, **parameters), [0, 1, 2, 3, 4], device=device)
    for seed in (0, 3, 4):
        (alone,), (history,) = run(named(label, **parameters), [seed], device=device)
        assert_alike(alone, together[seed], tolerance)
        assert history.validation == pytest.approx(histories[seed].validation, abs=tolerance)
        assert [item is None for item in history.train] == [item is None for item in histories[seed].train]
    assert not torch.equal(together[0].encoder[0].weight, together[1].encoder[0].weight)


@pytest.mark.parametrize("name", SWITCHES)
def test_a_seed_alone_is_the_same_seed_among_five(name: str) -> None:
    assert_alone_as_among_five(name, "cpu", 1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["ksom", "vq-reset often"])
def test_a_seed_alone_is_the_same_seed_among_five_on_cuda(name: str) -> None:
    assert_alone_as_among_five(name, "cuda", 1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a CUDA device")
@pytest.mark.parametrize("seeds", [[0], [0, 1, 2]])
@pytest.mark.parametrize("name", SWITCHES)
def test_replayed_steps_are_the_eager_ones(name: str, seeds: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    label, parameters = SWITCHES[name]
    replayed, histories = run(named(label, **parameters), seeds, device="cuda")
    assert {history.eager for history in histories} == {""}
    monkeypatch.setattr(cuda_graphs, "WARM_UP", 10**9)  # never captured
    eager, expected = run(named(label, **parameters), seeds, device="cuda")
    for one, other, history, wanted in zip(replayed, eager, histories, expected, strict=True):
        assert_alike(one, other, 1e-5)
        assert history.validation == pytest.approx(wanted.validation, rel=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", SWITCHES)
def test_cuda_learns_what_the_cpu_learns(name: str) -> None:
    """The same draws; rounding may decide a code otherwise, so errors are compared and not weights."""
    label, parameters = SWITCHES[name]
    _, actual = run(named(label, **parameters), [0, 1], device="cuda")
    _, expected = run(named(label, **parameters), [0, 1])
    for one, other in zip(actual, expected, strict=True):
        assert one.validation == pytest.approx(other.validation, rel=0.02)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_family_that_waits_for_the_device_is_trained_eagerly() -> None:
    (model,), (history,) = run(lambda: Recorder(16, WIDTH), [0], device="cuda")
    assert isinstance(model.quantizer, Recorder)
    assert model.quantizer.told == pytest.approx([step / 50 for step in range(50)])
    assert history.eager == "the family is not vectorised"


def test_the_switches_reset_codes_within_the_run() -> None:
    """Otherwise the comparison above would say nothing about resets."""
    label, parameters = SWITCHES["vq-reset often"]
    (reset,), _ = run(named(label, **parameters), [0])
    (plain,), _ = run(named("vq"), [0])
    assert (reset.quantizer.codebook - plain.quantizer.codebook).abs().max() > 0.01


@pytest.mark.parametrize("label", ["vq", "som-vq", "ksom", "vq-vae", "vq-reset"])
def test_the_same_seed_gives_the_same_weights_exactly(label: str) -> None:
    for seeds in ([2], [2, 3]):
        first, first_histories = run(named(label), seeds)
        second, second_histories = run(named(label), seeds)
        for one, other in zip(first, second, strict=True):
            assert_alike(one, other, 0.0)
        assert first_histories == second_histories


def test_the_same_seed_gives_the_same_lattice_exactly() -> None:
    (first,), _ = run(named("fsq"), [2])
    for _ in range(8):
        (second,), _ = run(named("fsq"), [2])
        assert_alike(first, second, 0.0)


def test_training_draws_nothing_from_the_global_generator() -> None:
    models = [build(named("som-vq"), seed) for seed in (0, 1)]
    before = torch.random.get_rng_state()
    train(models, [data(0), data(1)], [data(2, 50), data(3, 50)], [0, 1], SCHEDULE)
    assert torch.equal(torch.random.get_rng_state(), before)


class Recorder(quantizers.LearnedCodebook):
    """Notes the progress it is told, and Python branches make it unfit for vmap."""

    vectorised: ClassVar[bool] = False

    def __init__(self, num_codes: int, code_dim: int, warm_up_share: float = 0.0) -> None:
        super().__init__(num_codes, code_dim, commitment=0.25)
        self.warm_up_share = warm_up_share
        self.told: list[float] = []
        self.sizes: list[tuple[int, ...]] = []

    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        self.told.append(progress.item())
        self.sizes.append(tuple(z.shape))
        if z.sum().item() > 0:
            self.vectors[codes[0]] += 0.1 * (z[0] - self.vectors[codes[0]])


def test_a_family_that_cannot_be_vectorised_is_trained_seed_by_seed() -> None:
    def create() -> Recorder:
        return Recorder(16, WIDTH)

    together, histories = run(create, [0, 1, 2])
    for seed in (0, 1, 2):
        (alone,), (history,) = run(create, [seed])
        assert_alike(alone, together[seed], 0.0)
        assert history == histories[seed]


@pytest.mark.parametrize("warm_up_share", [0.0, 0.5])
def test_progress_runs_from_zero_to_below_one(warm_up_share: float) -> None:
    (model,), _ = run(lambda: Recorder(16, WIDTH, warm_up_share), [0])
    assert isinstance(model.quantizer, Recorder)
    assert model.quantizer.told == pytest.approx([step / 50 for step in range(50)])
    assert set(model.quantizer.sizes) == {(BATCH, WIDTH)}


@pytest.mark.parametrize("label", ["som-hard", "som-vq", "som-vq:paper"])
@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_encoder_and_decoder_stand_still_during_the_warm_up_share(label: str, seeds: list[int]) -> None:
    # A sixth of 50 steps: 0 to 8 lie below it (8 / 50 < 1 / 6 < 9 / 50), so nine steps move the codebook alone.
    start, _ = run(named(label), seeds, max_steps=0)
    warm, histories = run(named(label), seeds, max_steps=9)
    joint, _ = run(named(label), seeds, max_steps=10)
    for before, during, after in zip(start, warm, joint, strict=True):
        for part in ("encoder", "decoder"):
            assert_alike(getattr(before, part), getattr(during, part), 0.0)
            for name, value in getattr(after, part).named_parameters():
                assert not torch.equal(value, getattr(before, part).get_parameter(name))
        assert not torch.equal(before.quantizer.codebook, during.quantizer.codebook)
    assert [history.train for history in histories] == [[None]] * len(seeds)


def test_without_a_warm_up_share_the_first_step_moves_everything() -> None:
    (start,), _ = run(named("vq"), [0], max_steps=0)
    (first,), (history,) = run(named("vq"), [0], max_steps=1)
    for name, value in first.named_parameters():
        assert not torch.equal(value, start.get_parameter(name)), name
    assert not torch.equal(first.quantizer.codebook, start.quantizer.codebook)
    assert len(history.train) == len(history.validation) == 1
    assert not first.training


def test_max_steps_stops_within_an_epoch() -> None:
    (model,), (history,) = run(lambda: Recorder(16, WIDTH), [0], max_steps=13)
    assert isinstance(model.quantizer, Recorder)
    assert len(model.quantizer.told) == 13
    assert len(history.validation) == 2


@pytest.mark.parametrize(("frames", "batch", "steps"), [(640, 64, 10), (700, 64, 10), (64, 64, 1), (10, 64, 1)])
def test_an_epoch_is_made_of_whole_batches(frames: int, batch: int, steps: int) -> None:
    schedule = Schedule(warm_up_epochs=0, epochs=1, batch=batch, learning_rate=1e-3)
    assert schedule.steps_per_epoch(frames) == steps
    model = build(lambda: Recorder(4, WIDTH), 0)
    train([model], [data(0, frames)], [data(1, 20)], [0], schedule)
    assert isinstance(model.quantizer, Recorder)
    assert model.quantizer.sizes == [(min(frames, batch), WIDTH)] * steps


class Poisoned(quantizers.LearnedCodebook):
    """A codebook that turns into NaN after the second step wherever its factor is NaN."""

    factor: Tensor

    def __init__(self, num_codes: int, code_dim: int) -> None:
        super().__init__(num_codes, code_dim, commitment=0.25)
        self.register_buffer("factor", torch.ones(()))

    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        self.vectors.mul_(torch.where(progress > 0.03, self.factor, 1.0))


def test_a_replica_that_breaks_down_is_named_and_harms_no_other() -> None:
    def poison(seed: int, model: Autoencoder) -> None:
        if seed == 1:
            model.quantizer.factor.fill_(torch.nan)

    def create() -> Poisoned:
        return Poisoned(16, WIDTH)

    models, histories = run(create, [0, 1, 2], change=poison)
    assert [history.diverged for history in histories] == [False, True, False]
    for seed in (0, 2):
        (alone,), (history,) = run(create, [seed])
        assert_alike(alone, models[seed], 1e-4)
        assert not history.diverged
    (_,), (history,) = run(create, [1], change=poison)
    assert history.diverged


@pytest.mark.parametrize("warm_up_epochs", [0, 1])
@pytest.mark.parametrize("label", ["vq", "som-vq", "vq-vae", "ksom", "fsq"])
def test_frames_that_overflow_break_their_replica_alone(label: str, warm_up_epochs: int) -> None:
    schedule = Schedule(warm_up_epochs=warm_up_epochs, epochs=3, batch=BATCH, learning_rate=1e-3)
    models = [build(named(label), seed) for seed in (0, 1, 2)]
    frames = [data(0), data(1) * 1e19, data(2)]  # squared, the second overflows float32
    histories = train(models, frames, [data(seed, 50) for seed in (5, 6, 7)], [0, 1, 2], schedule)
    assert [history.diverged for history in histories] == [False, True, False]


def test_a_healthy_family_does_not_diverge_and_records_every_epoch() -> None:
    _, histories = run(named("som-vq"), [0, 1])
    for history in histories:
        assert not history.diverged
        assert len(history.train) == len(history.validation) == SCHEDULE.epochs
        # A sixth of five epochs ends within the first: every epoch has joint steps.
        assert all(isinstance(error, float) for error in history.train + history.validation)


def test_the_recorded_error_is_that_of_the_trained_model() -> None:
    (model,), (history,) = run(named("vq"), [0])
    with torch.no_grad():
        x = data(500, 100)
        codes = model.quantizer.encode(model.encoder(x))
        error = (model.decoder(model.quantizer.codebook[codes]) - x).square().mean()
    assert history.validation[-1] == pytest.approx(error.item(), rel=1e-5)


@pytest.mark.parametrize("seeds", [[0], [0, 1, 2]])
def test_the_warm_up_lowers_the_error_of_the_plain_autoencoder(seeds: list[int]) -> None:
    def plain_error(model: Autoencoder, seed: int) -> float:
        with torch.no_grad():
            x = data(seed)
            return float((model.decoder(model.encoder(x)) - x).square().mean())

    before = [build(named("vq"), seed) for seed in seeds]
    after, _ = run(named("vq"), seeds, Schedule(warm_up_epochs=20, epochs=0, batch=BATCH, learning_rate=3e-3))
    for seed, first, last in zip(seeds, before, after, strict=True):
        assert plain_error(last, seed) < 0.5 * plain_error(first, seed)
    # The codebook starts from the warmed-up encoder: each code is some frame's latent.
    with torch.no_grad():
        latents = after[0].encoder(data(seeds[0]))
        # Direct differences: the form by a matrix product is off by 1e-3 where vectors coincide.
        apart = (after[0].quantizer.codebook[:, None] - latents).norm(dim=2)
        assert apart.min(1).values.max() < 1e-5


def test_training_lowers_the_error() -> None:
    schedule = Schedule(warm_up_epochs=2, epochs=10, batch=BATCH, learning_rate=3e-3)
    for label in ("vq", "som-vq", "ksom", "som-hard", "vq-vae", "fsq:2d"):
        _, (history,) = run(named(label), [0], schedule)
        assert history.validation[-1] < 0.97 * history.validation[0], label
        assert history.validation[-1] < 0.8, label  # of a variance of 1


def test_replicas_map_reads_and_writes_each_ones_own_state() -> None:
    models = [build(named("vq"), seed) for seed in (0, 1, 2)]
    originals = [copy.deepcopy(model) for model in models]
    replicas = Replicas(models)

    def scale(index: int, model: Autoencoder) -> None:
        assert torch.equal(model.encoder[0].weight, originals[index].encoder[0].weight)
        model.encoder[0].weight.mul_(index + 1)

    replicas.map(scale)
    seen = []
    replicas.map(lambda index, model: seen.append(model.encoder[0].weight.clone()))
    for index, weight in enumerate(seen):
        torch.testing.assert_close(weight, originals[index].encoder[0].weight * (index + 1))
    z, codes = replicas("encode", torch.stack([data(seed, 10) for seed in (0, 1, 2)]))
    assert z.shape == (3, 10, WIDTH)
    assert codes.shape == (3, 10)
    for index, model in enumerate(models):
        torch.testing.assert_close(z[index], model.encoder(data(index, 10)))


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_above_its_ceiling_training_is_given_up(seeds: list[int]) -> None:
    def trained(ceiling: list[float | None]) -> list[History]:
        models = [build(named("vq"), seed) for seed in seeds]
        frames, validation = ([data(seed + more, count) for seed in seeds] for more, count in ((0, FRAMES), (500, 100)))
        return train(models, frames, validation, seeds, SCHEDULE, ceiling=ceiling)

    whole = trained([])
    assert not any(history.given_up for history in whole)
    worst = [max(min(history.validation[: point + 1]) for history in whole) for point in range(5)]
    least = [min(min(history.validation[: point + 1]) for history in whole) for point in range(5)]
    early = trained([None, None, 0.9 * least[2], 0.0, 0.0])
    assert [history.validation for history in early] == [history.validation[:3] for history in whole]
    assert all(history.given_up for history in early)
    assert trained([1.1 * error for error in worst]) == whole
    if len(seeds) > 1:  # a seed below the ceiling keeps the others
        assert trained([None, None, (least[2] + worst[2]) / 2]) == whole
