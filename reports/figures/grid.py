"""Data of the interactive grids, small enough to lie in the page."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.figures.data import RunData
from reports.figures.drawing.lattice import Lattice
from reports.figures.tokenizer import TokenizerView, tokenizers

POSE = 99  # steps across the square in which poses lie: what two digits can say
DIGITS = 3


def grid_data(run: RunData) -> list[dict[str, Any]]:
    """Grids of all (dataset, row) with positions in two dimensions, each of its first seed that is done.

    Returns:
        One dictionary per grid, of values that JSON can hold:

        - `dataset`, `row`, `seed`, `section` (of its figures), `unit`, `sides` (rows and columns);
        - lists over cells, row by row, so that row r and column c have place r * columns + c: `use`, number of test
          frames; `umatrix`, mean distance between the frames that a code and its neighbours decode to, or None;
          `values`, the frame that the code decodes to, None where no frame of any split has the code or the cell is
          empty;
        - `kind`: "point", where a value is the coordinates of the (last) point; "pose", where it is a text of four
          digits a joint, two for x to the right and two for y upwards (a list of numbers would take twice the room),
          and `edges` are [joint, joint].
    """
    grids = []
    for dataset in run.rows:
        for tokenizer in tokenizers(run, dataset):
            lattice = tokenizer.lattice
            if lattice is not None and len(lattice.sides) == 2:
                grids.append(_grid(tokenizer, lattice))
    return grids


def _grid(tokenizer: TokenizerView, lattice: Lattice) -> dict[str, Any]:
    far = tokenizer.u_matrix(lattice)
    source = tokenizer.source
    shown: list[Any] = [None] * len(far)
    kind: dict[str, Any] = {"kind": "point"}
    if source is not None and source.joints:
        shown = _texts(source.from_front(tokenizer.prototypes), tokenizer.seen)
        kind = {"kind": "pose", "edges": list(map(list, source.edges))}
    elif source is not None:
        shown = [list(map(_short, point)) for point in tokenizer.prototypes[:, source.points[-1]]]
    for code in np.flatnonzero(~tokenizer.seen):
        shown[code] = None
    return {
        "dataset": tokenizer.dataset,
        "row": tokenizer.row,
        "seed": tokenizer.seed,
        "section": tokenizer.section,
        "unit": tokenizer.unit.strip(),
        "sides": list(lattice.sides),
        "use": _by_cell(lattice, tokenizer.hits.tolist(), 0),
        "umatrix": _by_cell(lattice, [_short(value) if np.isfinite(value) else None for value in far], None),
        "values": _by_cell(lattice, shown, None),
    } | kind


def _by_cell(lattice: Lattice, values: Sequence[Any], empty: Any) -> list[Any]:
    cells = [empty] * (lattice.sides[0] * lattice.sides[1])
    for (row, column), value in zip(lattice.positions.tolist(), values, strict=True):
        cells[row * lattice.sides[1] + column] = value
    return cells


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _texts(poses: NDArray[np.float64], seen: NDArray[np.bool_]) -> list[str]:
    """Convert poses (n, joints, 2) to texts, in a square that all poses of used codes fit into."""
    low, high = poses[seen].min(axis=(0, 1)), poses[seen].max(axis=(0, 1))
    scale = POSE / max(float((high - low).max()), 1e-9)
    placed = (poses - (low + high) / 2) * scale + POSE / 2
    steps = placed.round().clip(0, POSE).astype(np.int64)
    return ["".join(f"{x:02d}{y:02d}" for x, y in pose) for pose in steps.tolist()]
