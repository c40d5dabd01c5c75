"""Records, stored codes and data -> what figures are drawn from."""

import itertools
from functools import lru_cache

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

import datasets
from bench.planning.cells import Cell, Plan
from bench.planning.finished import FinishedRun
from bench.records.files import check_readable
from bench.records.record import Record
from bench.records.store import Store
from reports.figures import RunData, SourceData
from reports.figures.data import Arrays, Curve
from reports.inputs import Results


def run_data(run: FinishedRun, gathered: Results, unreadable: dict[str, str]) -> RunData:
    """Gather what figures need of a run; codes and data are read when they are asked for.

    Args:
        run: Plan, records and folder of the run.
        gathered: Tables of the run.
        unreadable: Takes the names of files that cannot be read, and the reasons.
    """
    done: dict[tuple[str, str, int], Cell] = {}
    units: dict[str, str] = {}
    curves: dict[tuple[str, str, int], dict[str, Curve]] = {}
    for cell, record in run.done():
        place = cell.dataset, cell.row, cell.seed
        done[place] = cell
        units[cell.dataset] = record["data"]["unit"]
        curves[place] = _curves(cell, run.whole(record))

    def codes(dataset: str, row: str, seed: int) -> Arrays | None:
        cell = done.get((dataset, row, seed))
        return None if cell is None else _codes(run.store, cell, unreadable)

    # The rows of a dataset come one after the other, and mostly with one seed.
    @lru_cache(maxsize=1)
    def source(dataset: str, seed: int) -> SourceData | None:
        for (cell_dataset, _, cell_seed), cell in done.items():
            if (cell_dataset, cell_seed) == (dataset, seed):
                return _source(cell)
        return None

    return RunData(
        summary=gathered.summary,
        table=gathered.table,
        rankings=gathered.rankings,
        metrics=gathered.metrics,
        families=_families(run.plan),
        units=units,
        curves=curves,
        codes=codes,
        source=source,
    )


def _families(plan: Plan) -> dict[str, str]:
    """Row -> name of its quantizer, without the preset."""
    families = {absent.row: absent.row for absent in plan.unavailable}
    for cell in plan.cells:
        families[cell.row] = cell.quantizer.partition(":")[0]
    return families


def _curves(cell: Cell, record: Record) -> dict[str, Curve]:
    """Learning curves of a cell; the training of a control is shown with the row whose tokenizer it shares."""
    curves: dict[str, Curve] = dict(record.get("curves", {}))
    if not cell.control:
        step = cell.protocol["schedule"]["check_every"]
        errors = record["history"]["validation"]
        points = itertools.count(step or 1, step or 1)
        curves["updates" if step else "epochs"] = list(zip(points, errors, strict=False))
    return curves


def _codes(store: Store, cell: Cell, unreadable: dict[str, str]) -> Arrays | None:
    """Stored tokens and prototypes of a cell; None for a control, which stores none.

    A file that cannot be used is put into `unreadable`: name -> reason.
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


def _source(cell: Cell) -> SourceData | None:
    """Data of a cell; None where they cannot be loaded any more, and its figures show what was stored."""
    try:
        data = datasets.load(cell.dataset, seed=cell.data_seed, **cell.dataset_parameters)
    except (OSError, ValueError):
        return None
    transform = data.transform
    return SourceData(
        frames=data.standardised["test"].astype(np.float64) * transform.scale + transform.mean,
        points=data.points,
        unit=data.unit,
        joints=data.skeleton.joints if data.skeleton else (),
        edges=data.skeleton.bones if data.skeleton else (),
        rate=data.notes.get("frames_per_second"),
    )
