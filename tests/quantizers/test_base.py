import math

import pytest
import torch

import quantizers
from quantizers.base import nearest
from quantizers.checks import check_choice, check_range
from quantizers.learned import batch_totals, sample_rows

LABELS = [
    label
    for name, family in quantizers.families().items()
    for label in (name, *(f"{name}:{preset}" for preset in family.presets))
]
SEARCHED = [label for label in LABELS if not label.startswith("fsq")]
CODES, WIDTH = 64, 5


def points(count: int, seed: int = 0, width: int = WIDTH) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def build(label: str, num_codes: int = CODES, rows: int = 500) -> quantizers.Quantizer:
    torch.manual_seed(0)
    quantizer = quantizers.create(label, num_codes=num_codes, code_dim=WIDTH)
    quantizer.initialise(points(rows))
    return quantizer


@torch.no_grad()
def learn(quantizer: quantizers.Quantizer, steps: int, seed: int = 1) -> None:
    for step in range(steps):
        z = points(96, seed + step)
        quantizer.update(z, quantizer.encode(z), torch.tensor(step / steps))


@pytest.mark.parametrize("label", SEARCHED)
def test_the_gradient_passes_straight_through(label: str) -> None:
    quantizer = build(label).train()
    z = points(200, 9).requires_grad_()
    (gradient,) = torch.autograd.grad(quantizer(z).quantized.sum(), z)
    assert torch.equal(gradient, torch.ones_like(z))


@pytest.mark.parametrize("label", SEARCHED)
def test_the_loss_in_training_is_the_weighted_distance_to_the_codes(label: str) -> None:
    quantizer = build(label)
    z = points(50, 9)
    _, codes, loss = quantizer(z)
    rows, vectors = z.tolist(), quantizer.codebook.tolist()
    squared = sum(
        (rows[row][axis] - vectors[code][axis]) ** 2 for row, code in enumerate(codes.tolist()) for axis in range(WIDTH)
    )
    values = quantizers.get(label)[1]
    weight = values["commitment"] + values.get("codebook_weight", 0.0)
    assert float(loss.detach()) == pytest.approx(weight * squared / z.numel(), rel=1e-4)


@pytest.mark.parametrize("label", SEARCHED)
def test_codes_are_the_nearest_by_brute_force(label: str) -> None:
    quantizer = build(label)
    learn(quantizer, 5)
    z = points(200, 9)
    distances = (z.double()[:, None] - quantizer.codebook.detach().double()).square().sum(2)
    assert torch.equal(quantizer.encode(z), distances.argmin(1))


@pytest.mark.parametrize("label", LABELS)
def test_latents_decide_the_code(label: str) -> None:
    quantizer = build(label)
    z = points(200, 9)
    with torch.no_grad():
        distances = torch.cdist(quantizer.latents(z).double(), quantizer.latent_codebook.double())
    assert torch.equal(distances.argmin(1), quantizer.encode(z))


@pytest.mark.parametrize("label", SEARCHED)
def test_a_learned_codebook_can_be_set_and_read(label: str) -> None:
    quantizer = build(label)
    learn(quantizer, 3)
    wanted = points(CODES, 4)
    quantizer.codebook = wanted
    assert torch.equal(quantizer.codebook, wanted)
    assert torch.equal(quantizer.encode(wanted), torch.arange(CODES))
    with pytest.raises(ValueError, match=r"shape \(64, 5\), got \(63, 5\)"):
        quantizer.codebook = wanted[1:]
    fresh = quantizers.create(label, num_codes=CODES, code_dim=WIDTH)
    fresh.codebook = wanted
    learn(quantizer, 5)
    learn(fresh, 5)
    if label != "vq-reset" and label != "vq-vae:paper":  # their window of hits is not part of the codebook
        assert torch.equal(quantizer.codebook, fresh.codebook)


@pytest.mark.parametrize("label", ["fsq", "fsq:2d"])
def test_an_implicit_codebook_refuses_to_be_set(label: str) -> None:
    quantizer = build(label)
    with pytest.raises(AttributeError):
        quantizer.codebook = torch.zeros(quantizer.num_codes, WIDTH)


def test_a_codebook_may_be_set_from_one_learned_by_gradient() -> None:
    source, target = build("vq-vae"), build("vq")
    target.codebook = source.codebook
    assert torch.equal(target.codebook, source.codebook.detach())


@pytest.mark.parametrize("label", LABELS)
def test_maps_and_lattices_have_positions(label: str) -> None:
    ordered = label.partition(":")[0] in ("som-hard", "ksom", "som-vq", "fsq")
    assert (build(label).positions is not None) == ordered


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("rows", [5, 63])
def test_fewer_rows_than_codes_are_enough_to_start(label: str, rows: int) -> None:
    quantizer = build(label, rows=rows)
    z = points(rows)
    assert quantizer.codebook.isfinite().all()
    if label in SEARCHED:
        assert torch.equal(quantizer.codebook, z[torch.arange(CODES) % rows])
    quantized, _, _ = quantizer.eval()(z)
    assert (quantized - z).square().mean() < z.square().mean()


@pytest.mark.parametrize("label", SEARCHED)
def test_one_row_is_enough_to_start(label: str) -> None:
    quantizer = build(label, rows=1)
    assert torch.equal(quantizer.codebook, points(1).expand(CODES, WIDTH))


def test_fsq_starts_from_fewer_rows_than_channels() -> None:
    quantizer = quantizers.create("fsq", num_codes=1024, code_dim=8)
    quantizer.initialise(points(3, width=8))
    assert quantizer.codebook.isfinite().all()


@pytest.mark.parametrize("label", [label for label in SEARCHED if label != "vq-vae"])
def test_learning_moves_the_codebook(label: str) -> None:
    quantizer = build(label)
    before = quantizer.codebook.clone()
    learn(quantizer, 3)
    assert not torch.equal(quantizer.codebook, before)


@pytest.mark.parametrize("num_codes", [1, 2, 3])
@pytest.mark.parametrize("label", SEARCHED)
def test_very_small_codebooks_work(label: str, num_codes: int) -> None:
    quantizer = build(label, num_codes)
    assert quantizer.num_codes == num_codes
    learn(quantizer, 10)
    quantized, codes, loss = quantizer.eval()(points(50, 9))
    assert quantized.isfinite().all()
    assert loss.isfinite()
    assert codes.max() < num_codes


def test_the_smallest_lattice_has_three_codes() -> None:
    assert build("fsq", 3).num_codes == 3
    for num_codes in (1, 2):
        with pytest.raises(ValueError, match="levels of at least 3"):
            build("fsq", num_codes)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize(
    "sizes", [{"num_codes": 0, "code_dim": 4}, {"num_codes": -4, "code_dim": 4}, {"num_codes": 16, "code_dim": 0}]
)
def test_empty_codebooks_are_refused(label: str, sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        quantizers.create(label, **sizes)


@pytest.mark.parametrize("label", SEARCHED)
def test_the_codebook_counts_its_values_apart_from_the_network(label: str) -> None:
    quantizer = build(label)
    assert quantizer.codebook_values == CODES * WIDTH
    assert quantizer.network_parameters == 0


def test_nearest_takes_the_lowest_index_among_equals() -> None:
    vectors = torch.tensor([[3.0], [1.0], [-1.0], [1.0]])
    assert nearest(torch.tensor([[0.0], [1.0], [2.0], [9.0]]), vectors).tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(("rows", "num_codes"), [(0, 5), (1, 1), (7, 3), (300, 1_000), (1_500, 400), (3, 2**18 + 1)])
def test_nearest_is_the_plain_formula_block_by_block(rows: int, num_codes: int) -> None:
    generator = torch.Generator().manual_seed(0)
    # Small whole numbers: every score is exact, and many tie.
    z = torch.randint(-3, 4, (rows, 2), generator=generator).float()
    vectors = torch.randint(-3, 4, (num_codes, 2), generator=generator).float()
    scores = vectors.square().sum(1) - 2 * z @ vectors.T
    lowest = [min(range(num_codes), key=row.__getitem__) for row in scores.tolist()]
    assert nearest(z.requires_grad_(), vectors).tolist() == lowest


def test_nearest_under_vmap_is_nearest_one_by_one() -> None:
    generator = torch.Generator().manual_seed(0)
    z, vectors = torch.randn(3, 20, 4, generator=generator), torch.randn(3, 9, 4, generator=generator)
    alone = torch.stack([nearest(*pair) for pair in zip(z, vectors, strict=True)])
    assert torch.equal(torch.vmap(nearest)(z, vectors), alone)


def test_batch_totals_by_hand() -> None:
    z = torch.tensor([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    totals = batch_totals(z, torch.tensor([2, 0, 2]), 4)
    assert totals.tolist() == [[2, 20, 1], [0, 0, 0], [5, 50, 2], [0, 0, 0]]


def test_sampled_rows_repeat_in_turn_and_are_a_copy() -> None:
    z = torch.tensor([[1.0], [2.0]])
    rows = sample_rows(z, 5)
    assert rows.flatten().tolist() == [1, 2, 1, 2, 1]
    rows += 1
    assert z.flatten().tolist() == [1, 2]


@pytest.mark.parametrize("value", [-0.1, 1.0, math.nan, math.inf])
def test_values_out_of_range_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"0 <= decay < 1, got"):
        check_range("decay", value, 0, 1)


def test_values_in_range_and_named_choices_pass() -> None:
    assert check_range("decay", 0.0, 0, 1) == 0.0
    assert check_choice("smoothing", "none", ("none", "transient")) == "none"
    with pytest.raises(ValueError, match="smoothing to be one of none, transient, got 'nothing'"):
        check_choice("smoothing", "nothing", ("none", "transient"))


def test_a_gradient_codebook_is_a_parameter_and_an_averaged_one_is_not() -> None:
    assert [name for name, _ in build("vq-vae").named_parameters()] == ["vectors"]
    assert not list(build("vq-vae:paper").parameters())
    assert not list(build("vq").parameters())
