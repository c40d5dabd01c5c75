"""What a new measurement of stored weights says against the recorded one."""

import math
from collections.abc import Mapping

from bench.cells import Plan
from bench.store import DONE, Record

TOLERANCE = 1e-6  # relative: other thread counts and library versions move the last digits


def differences(plan: Plan, former: Mapping[str, Record], present: Mapping[str, Record]) -> tuple[list[str], int]:
    """A line that sums up, and one for each metric of a cell that both records hold and that differs.

    What was not measured anew still has its former record, of another run, and agrees with nothing.

    Returns:
        The lines, and how many cells with recorded values could not be measured.
    """
    lines, compared, unmeasured, devices = [], 0, 0, set()
    for cell in plan.cells:
        before, after = former.get(cell.key), present.get(cell.key)
        if before is None or before["status"] != DONE:
            continue
        if after is None or after["status"] != DONE or after.get("run") == before.get("run"):
            unmeasured += 1
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
    if unmeasured:
        summary.append(f"{unmeasured} cells with recorded values could not be measured again, so none are compared")
    if not summary:
        summary.append("no cell has recorded values to compare with")
    moved = sorted(f"recorded on {old}, now measured on {new}" for old, new in devices if old != new)
    return ["; ".join([*summary, *moved]), *sorted(lines)], unmeasured


def _agree(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is new
    return math.isclose(old, new, rel_tol=TOLERANCE, abs_tol=1e-12)
