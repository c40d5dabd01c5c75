"""Choice of a codebook size: a sweep of K on validation data, and the smallest K whose error is near the best."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

import datasets
from bench.errors import UsageError
from bench.planning.cells import Plan
from bench.planning.finished import FinishedRun
from bench.planning.pairs import cell_of, pair_of
from bench.planning.request import Request, datasets_of, protocol_of
from bench.planning.rows import parse
from bench.planning.sources import source_of
from bench.vocabulary import FAMILY

QUANTIZER = "vq-reset"
"""Default family of the sweep: its codes restart, so that dead codes do not decide which K looks best."""
SIZES = tuple(2**bits for bits in range(4, 11))
METRICS = ("mse", "active")
FEWEST_FRAMES = 4
"""Number of training frames per code below which a default size is left out."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """One family at several codebook sizes on one dataset.

    Attributes:
        plan: Cells of all sizes and seeds.
        train_frames: Number of frames in the training split.
    """

    plan: Plan
    train_frames: int


@dataclass(frozen=True, kw_only=True)
class Size:
    """A codebook size with the means of its trainings.

    Attributes:
        codebook_size: Number K of codes that the family really has.
        mse: Mean error on the validation split.
        active: Mean share of the codes in use on that split, in %.
        frames_per_code: Number of training frames per code.
    """

    codebook_size: int
    mse: float
    active: float
    frames_per_code: float


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A codebook size for a dataset.

    Attributes:
        codebook_size: Smallest size whose mean error is within the wanted share of the best.
        sizes: Sizes that were tried, in ascending order.
    """

    codebook_size: int
    sizes: tuple[Size, ...]

    @property
    def best(self) -> Size:
        """Size with the smallest error."""
        return min(self.sizes, key=lambda size: size.mse)

    @property
    def at_the_end(self) -> bool:
        """Whether the largest size is the best, so that a larger one may be better still."""
        return self.best is self.sizes[-1]

    @property
    def table(self) -> pd.DataFrame:
        """One row per size."""
        return pd.DataFrame(map(dataclasses.asdict, self.sizes))


def sweep(request: Request, *, sizes: Sequence[int], seeds: int) -> Sweep:
    """Plan the trainings of one family at several codebook sizes on one dataset.

    Seeds are the tuner's, so that the error is that of the validation split and the data of no run are touched. All
    sizes have the network of the protocol's own size, so that only the codebook differs.

    Args:
        request: Names of one family, one dataset and a protocol, whose number of sequences is the subsample.
        sizes: Codebook sizes; empty for powers of two from 16 to 1,024 with four training frames per code or more.
        seeds: Number of seeds per size.

    Raises:
        UsageError: A name is not known, a size cannot be had, or a seed may train on data that another tests.
    """
    if not 1 <= seeds <= 1_000:
        raise UsageError(f"expected --seeds between 1 and 1000, got {seeds}")
    if sizes and (len(set(sizes)) < 2 or min(sizes) < 2):
        raise UsageError(
            f"expected --sizes with two sizes or more, each of at least 2, got {','.join(map(str, sizes))}"
        )
    protocol = protocol_of(request)
    named = datasets_of(request.datasets)
    if len(named) != 1:
        raise UsageError(f"expected one dataset, got {len(named)}: {', '.join(named)}")
    ((name, parameters),) = named.items()
    remarks: list[str] = []
    source = source_of(name, protocol, parameters, request.require_real, remarks)
    if source.dataset is None:
        raise UsageError(f"there is nothing to try sizes on: {source.reason}")
    if not source.dataset.test_apart:
        raise UsageError(f"on {source.name} a seed may train on what another tests, so no size can be chosen on it")
    frames = source.dataset.train_frames
    chosen = sorted(set(sizes)) or [size for size in SIZES if frames >= FEWEST_FRAMES * size]
    if len(chosen) < 2:
        raise UsageError(
            f"{source.name} has {frames} training frames, too few for two default sizes; name some: --sizes"
        )
    row = parse(request.quantizers)
    if row.role != FAMILY or row.codebook_size is not None:
        raise UsageError(f"expected a quantizer without a size or a control, got {request.quantizers!r}")
    pairs = []
    for size in chosen:
        name = f"{row.name}@{size}"
        sized = dataclasses.replace(row, name=name, codebook_size=size, one_width=True, metrics=METRICS)
        pairs.append(pair_of(sized, {}, source, protocol))
    cells = [cell_of(pair, datasets.TUNING + seed) for seed in range(seeds) for pair in pairs]
    return Sweep(plan=Plan(protocol=protocol, cells=tuple(cells), remarks=tuple(remarks)), train_frames=frames)


def suggestion(run: FinishedRun, train_frames: int, within: float) -> Suggestion:
    """Choose the smallest size within a share of the best error.

    Args:
        run: Finished run of a sweep.
        train_frames: Number of frames in its training split.
        within: Share by which the mean error may exceed the best, e.g. 0.1.

    Raises:
        UsageError: A size has no result.
    """
    values: dict[int, list[tuple[float, float]]] = {}
    for cell, record in run.done():
        mse, active = (record["metrics"].get(name) for name in METRICS)
        if mse is not None and active is not None and math.isfinite(mse):
            size = cell.capacity.codebook_size
            values.setdefault(size, []).append((mse, active))
    missing = sorted({cell.capacity.codebook_size for cell in run.plan.cells} - values.keys())
    if missing:
        raise UsageError(f"no result at K = {', '.join(map(str, missing))}; the same command tries again")
    sizes = []
    for size in sorted(values):
        errors, shares = zip(*values[size], strict=True)
        means = {"mse": math.fsum(errors) / len(errors), "active": math.fsum(shares) / len(shares)}
        sizes.append(Size(codebook_size=size, frames_per_code=train_frames / size, **means))
    bound = (1 + within) * min(size.mse for size in sizes)
    near = next(size for size in sizes if size.mse <= bound)
    return Suggestion(codebook_size=near.codebook_size, sizes=tuple(sizes))
