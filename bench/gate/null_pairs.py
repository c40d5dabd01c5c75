"""Null pairs: trainings on the same data by the same code from other seeds, and the baseline made with them."""

import dataclasses
import itertools
import time
from collections.abc import Mapping

from bench.errors import UsageError
from bench.execution.reuse import stale_metrics
from bench.gate.baseline import Baseline
from bench.gate.observations import measured, undone
from bench.planning.cells import Cell, Plan, from_values, made_elsewhere
from bench.planning.finished import FinishedRun
from bench.planning.keys import training_code
from bench.planning.pairs import trained_from
from bench.planning.request import LARGEST_SEED
from bench.records.files import read_json
from bench.records.record import Record
from bench.records.store import Store
from bench.vocabulary import NULL

FEWEST = 2
"""Smallest number of null pairs."""


def finished(store: Store) -> FinishedRun:
    """Read a run, all of whose cells must be done by the present code.

    Raises:
        UsageError: Some cell is not done, or was trained or measured by other code.
    """
    plan = from_values(store.plan(), store.root / "plan.json")
    for reason in filter(None, map(made_elsewhere, plan.cells)):
        raise UsageError(reason)
    records, _ = store.read_all(cell.key for cell in plan.cells)
    run = FinishedRun(plan=plan, records=records, store=store)
    failed = undone(run)
    if failed:
        first, others = failed[0], f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise UsageError(f"no baseline without a result of {first.row} on {first.dataset}, {first.part}{others}")
    for cell in plan.cells:
        trained = training_code(cell.quantizer, cell.dataset) == cell.code and trained_from(cell, cell.seed) == cell
        if not trained or stale_metrics(cell, records[cell.key]):
            raise UsageError(
                f"{cell.row} on {cell.dataset} was made by other code than this, which the null pairs would be made "
                f"by; give the command that made {store.root} again"
            )
    return run


def null_plan(plan: Plan, pairs: int) -> Plan:
    """Plan the trainings of every row that make null pairs with those of a run: same data, other training seeds.

    The k-th training is on the data of the run's k-th seed, in turns, so that a larger number keeps the trainings that
    are there. They are set apart in tables, because their seeds stand for no data of their own.

    Args:
        plan: Plan of the run.
        pairs: Number of trainings per row.

    Raises:
        UsageError: The number is too small.
    """
    if pairs < FEWEST:
        raise UsageError(f"expected --null-pairs of at least {FEWEST}, got {pairs}")
    originals: dict[int, list[Cell]] = {}
    for cell in plan.cells:
        if not cell.control:
            originals.setdefault(cell.data_seed, []).append(cell)
    cells = []
    for index, data_seed in enumerate(itertools.islice(itertools.cycle(originals), pairs)):
        for cell in originals[data_seed]:
            cells.append(dataclasses.replace(trained_from(cell, LARGEST_SEED - index), role=NULL))
    return dataclasses.replace(plan, cells=tuple(cells), unavailable=(), remarks=(), suite="", published=())


def device_of(records: Mapping[str, Record]) -> str:
    """Kind of device that a run was made on.

    Raises:
        UsageError: The run was made on several kinds.
    """
    devices = sorted({record["device"] for record in records.values()})
    if len(devices) != 1:
        raise UsageError(f"expected a run on one kind of device, got cells from {' and '.join(devices) or 'none'}")
    return devices[0]


def make(run: FinishedRun, null: FinishedRun) -> Baseline:
    """Make the baseline of a finished run and of its null pairs.

    Raises:
        UsageError: Nothing was measured.
    """
    others = measured(null)
    rows = {}
    is_empty = True
    for pair, row in measured(run).items():
        rows[pair] = row.with_null(others[pair].trainings)
        is_empty = is_empty and not rows[pair].trainings.values
    if is_empty:
        raise UsageError("the run measured nothing that another could be checked against")
    path = null.store.root / "environment.json"
    try:
        facts = read_json(path)
        made = {
            "version": facts["quantizer-bench"],
            "commit": facts["commit"][:12],
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "processor": facts["processor"],
            "null pairs": len({cell.train_seed for cell in null.plan.cells}),
            "packages": facts["packages"],
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} does not tell what the run was made on ({type(error).__name__}: {error})") from None
    return Baseline(made=made, rows=rows)
