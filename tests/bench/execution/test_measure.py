"""What a family may hand over: the contract is held before training, and types do not matter after it."""

from typing import Any

import pytest
import torch

import datasets
from bench.errors import ContractError
from bench.execution.measure import trained
from bench.metrics import METRICS, Trained
from bench.planning.protocol import PROTOCOLS
from bench.training.autoencoder import Autoencoder
from bench.training.contract import check_contract
from bench.training.schedule import History
from quantizers.base import FARTHEST
from quantizers.learned import LearnedCodebook

CODES, SIDE, WIDTH = 16, 4, 8
GRID = torch.stack([torch.arange(CODES) // SIDE, torch.arange(CODES) % SIDE], dim=1)
NAMES = ("topographic_error", "distortion_ratio", "grid_correlation", "topographic_product", "grid_step", "trust")
KINDS = [torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.uint64, torch.int64]


class Placed(LearnedCodebook):
    """Plain vector quantization with its codes on given positions."""

    def __init__(self, positions: Any, *, later: bool = False) -> None:
        super().__init__(CODES, WIDTH, commitment=0.25, positions=None if later else positions)
        if later:
            self.positions = positions

    def initialise(self, z: torch.Tensor) -> None:
        self.codebook = z[:CODES].clone()


class Halved(Placed):
    """The same, told in half precision, in units in which squares of half precision overflow."""

    @property
    def latent_codebook(self) -> torch.Tensor:
        return (400 * self.vectors).half()

    def latents(self, z: torch.Tensor) -> torch.Tensor:
        return (400 * z).half()


def measured(make: Any) -> Trained:
    data = datasets.load("lorenz", sequences=24)
    torch.manual_seed(0)
    model = Autoencoder(make(), hidden=8)
    frames = torch.from_numpy(data.frames["train"].reshape(-1, data.width))
    with torch.no_grad():
        model.quantizer.initialise(model.encoder(frames))
    protocol = PROTOCOLS["tiny"]
    return trained(model, data, "cpu", data_seed=0, train_seed=0, protocol=protocol, history=History())


def values(run: Trained) -> dict[str, float | None]:
    functions = {name: METRICS[name].function for name in NAMES}
    return {name: function(run) for name, function in functions.items() if function}


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_positions_of_every_integer_type_measure_the_same(kind: torch.dtype, later: bool) -> None:
    run = measured(lambda: Placed(GRID.to(kind), later=later))
    assert run.positions is not None
    assert run.positions.dtype == torch.int64
    assert values(run) == values(measured(lambda: Placed(GRID)))
    check_contract(Autoencoder(Placed(GRID.to(kind), later=later), hidden=8), torch.randn(32, WIDTH))


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        (GRID.float(), r"of an integer type, got torch\.float32"),
        (GRID > 1, r"of an integer type, got torch\.bool"),
        (GRID[:-1], r"of shape \(16, g\), got \(15, 2\)"),
        (GRID[:, 0], r"of shape \(16, g\), got \(16,\)"),
        (GRID[:, :0], r"of shape \(16, g\), got \(16, 0\)"),
        (GRID - (FARTHEST + 1), "got -16777217 for code 0"),
        (torch.full((CODES, 1), 2**64 - 1, dtype=torch.uint64), "got 18446744073709551615 for code 0"),
    ],
)
def test_positions_that_are_none_are_refused_when_built_and_before_training(
    positions: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Placed(positions)
    with pytest.raises(ContractError, match=message):
        check_contract(Autoencoder(Placed(positions, later=True), hidden=8), torch.randn(32, WIDTH))


def test_positions_that_are_no_tensor_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a tensor, got ndarray; use torch\.as_tensor"):
        Placed(GRID.numpy())


def test_latents_in_half_precision_are_compared_in_more() -> None:
    whole, half = measured(lambda: Placed(GRID)), measured(lambda: Halved(GRID))
    assert whole.latents.dtype == half.latents.dtype == half.latent_codebook.dtype == torch.float32
    assert values(half)["topographic_error"] == pytest.approx(values(whole)["topographic_error"], abs=0.05)


def test_codes_in_another_space_than_latents_are_refused_before_training() -> None:
    class Elsewhere(Placed):
        def latents(self, z: torch.Tensor) -> torch.Tensor:
            return z[:, :2]

    with pytest.raises(ContractError, match=r"expected latents of shape \(32, 8\), got \(32, 2\)"):
        check_contract(Autoencoder(Elsewhere(GRID), hidden=8), torch.randn(32, WIDTH))
