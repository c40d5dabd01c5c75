"""Agreement of a new measurement of stored weights with the recorded one."""

import math
from collections.abc import Mapping

from bench.planning.cells import Cell, Plan
from bench.records.record import Record
from bench.vocabulary import DONE

TOLERANCE = 1e-6  # relative: other thread counts and library versions move the last digits


def differences(plan: Plan, former: Mapping[str, Record], present: Mapping[str, Record]) -> list[str]:
    """Compare the values that both records of a cell hold.

    Args:
        plan: Plan of the run.
        former: Records by key before the new measurement.
        present: Records by key after it.

    Returns:
        A line that sums up, then a line for every value that differs.
    """
    lines, compared, devices = [], 0, set()
    absent = unmeasured(plan, former, present)
    for cell in plan.cells:
        before, after = former.get(cell.key), present.get(cell.key)
        if before is None or after is None or before["status"] != DONE or cell in absent:
            continue
        devices.add((before.get("device"), after.get("device")))
        for name in before["metrics"].keys() & after["metrics"].keys():
            old, new = before["metrics"][name], after["metrics"][name]
            compared += 1
            if not _agree(old, new):
                lines.append(f"{cell.row} {cell.dataset} seed {cell.seed} {name}: recorded {old}, now {new}")
    summary = []
    if compared:
        summary.append(f"{compared - len(lines)} of {compared} recorded values agree (relative {TOLERANCE:g})")
    if absent:
        summary.append(f"{len(absent)} cells with recorded values could not be measured again, so none are compared")
    if not summary:
        summary.append("no cell has recorded values to compare with")
    for old_device, new_device in sorted(devices, key=str):
        if old_device != new_device:
            summary.append(f"recorded on {old_device}, now measured on {new_device}")
    return ["; ".join(summary), *sorted(lines)]


def unmeasured(plan: Plan, former: Mapping[str, Record], present: Mapping[str, Record]) -> list[Cell]:
    """Cells with recorded values that were not measured anew: they still have the record of another run."""
    absent = []
    for cell in plan.cells:
        before, after = former.get(cell.key), present.get(cell.key)
        if before is None or before["status"] != DONE:
            continue
        if after is None or after["status"] != DONE or after.get("run") == before.get("run"):
            absent.append(cell)
    return absent


def _agree(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is new
    return math.isclose(old, new, rel_tol=TOLERANCE, abs_tol=1e-12)
