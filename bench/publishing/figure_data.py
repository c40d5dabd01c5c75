"""Records, stored codes and data -> what figures are drawn from."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file

import datasets
from bench.planning.cells import Cell, Plan
from bench.records.files import check_readable
from bench.records.record import Record
from bench.records.store import Store
from bench.vocabulary import DONE
from reports.figures import RunData, Source
from reports.figures.data import Arrays, Curve

# COCO's 17 joints, in the order of the datasets of motion, and the pairs that a bone joins, one limb after the other.
JOINTS = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip"),
    *("left_knee", "right_knee", "left_ankle", "right_ankle"),
)
EDGES = (
    *((9, 7), (7, 5), (5, 6), (6, 8), (8, 10)),
    *((15, 13), (13, 11), (11, 12), (12, 14), (14, 16)),
    *((5, 11), (6, 12)),
    *((5, 3), (3, 1), (1, 0), (0, 2), (2, 4), (4, 6), (1, 2)),
)
MOTION = ("aist", "aist-standin", "cmu")


def run_data(
    store: Store,
    plan: Plan,
    records: Mapping[str, Record],
    *,
    table: pd.DataFrame,
    summary: pd.DataFrame,
    rankings: pd.DataFrame,
    metrics: Sequence[Mapping[str, Any]],
    unreadable: dict[str, str],
) -> RunData:
    """What figures need of a run; codes and data are read when they are asked for.

    Args:
        store: Its folder.
        plan: Its plan.
        records: Of its cells, by key.
        table: One row a cell.
        summary: One row a (quantizer, dataset).
        rankings: Which row stands where in which metric.
        metrics: The catalogue as plain values.
        unreadable: Takes the names of files that figures lack, and why they cannot be read.
    """
    cells = {(cell.dataset, cell.row, cell.seed): cell for cell in plan.cells}
    done = {place: cell for place, cell in cells.items() if records.get(cell.key, {}).get("status") == DONE}

    def codes(dataset: str, row: str, seed: int) -> Arrays | None:
        cell = done.get((dataset, row, seed))
        return None if cell is None else _codes(store, cell, unreadable)

    # The rows of a dataset come one after the other, and mostly with one seed.
    @lru_cache(maxsize=1)
    def source(dataset: str, seed: int) -> Source | None:
        found = (cell for (name, _, own), cell in done.items() if (name, own) == (dataset, seed))
        return next(map(_source, found), None)

    return RunData(
        summary=summary,
        table=table,
        rankings=rankings,
        metrics=metrics,
        families=_families(plan),
        units={cell.dataset: records[cell.key]["data"]["unit"] for cell in done.values()},
        curves={place: _curves(cell, store.whole(records[cell.key])) for place, cell in done.items()},
        codes=codes,
        source=source,
    )


def _families(plan: Plan) -> dict[str, str]:
    """Row -> the quantizer that it is, without its preset."""
    families = {cell.row: cell.quantizer.partition(":")[0] for cell in plan.cells}
    return families | {row: row for row, *_ in plan.absent if row not in families}


def _curves(cell: Cell, record: Record) -> dict[str, Curve]:
    """A control's training is that of the row whose tokenizer it shares, and told there."""
    curves: dict[str, Curve] = dict(record.get("curves", {}))
    if not cell.control:
        step = cell.protocol["schedule"]["check_every"]
        errors = record["history"]["validation"]
        curves["updates" if step else "epochs"] = [
            (index * (step or 1), error) for index, error in enumerate(errors, 1)
        ]
    return curves


def _codes(store: Store, cell: Cell, unreadable: dict[str, str]) -> Arrays | None:
    """A control's codes are not stored; nor are those of runs that an earlier version made.

    What is there and cannot be used is put among `unreadable`: name -> why.
    """
    path = store.codes(cell.key)
    try:
        check_readable(path)
        arrays = load_file(path)
        splits = [arrays[f"codes.{split}"] for split in datasets.SPLITS]
        count = len(arrays["prototypes"])
        if any(codes.ndim != 2 or codes.dtype.kind != "i" for codes in splits) or arrays["prototypes"].ndim != 2:
            raise ValueError("arrays of other shapes")
        if any(codes.size and not 0 <= codes.min() <= codes.max() < count for codes in splits):
            raise ValueError(f"codes outside 0 to {count - 1}")
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        unreadable[path.name] = getattr(error, "strerror", None) or " ".join(str(error).split())
        return None
    return arrays


def _source(cell: Cell) -> Source | None:
    """The data of a cell, or None where they cannot be had any more: its figures then show what was stored."""
    try:
        data = datasets.load(cell.dataset, seed=cell.data_seed, **cell.dataset_parameters)
    except (OSError, ValueError):
        return None
    transform = data.transform
    moves = cell.dataset in MOTION
    return Source(
        frames=data.standardised["test"].astype(np.float64) * transform.scale + transform.mean,
        points=data.points,
        unit=data.unit,
        joints=JOINTS if moves else (),
        edges=EDGES if moves else (),
        rate=data.notes.get("frames_per_second"),
    )
