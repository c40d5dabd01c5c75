"""What a new measurement of stored weights says against the recorded one."""

import math
from collections.abc import Mapping

from bench.cells import Plan
from bench.store import DONE, Record

TOLERANCE = 1e-6  # relative: other thread counts and library versions move the last digits


def differences(plan: Plan, former: Mapping[str, Record], present: Mapping[str, Record]) -> list[str]:
    """A line that sums up, and one for each metric of a cell that both records hold and that differs."""
    lines, compared, devices = [], 0, set()
    for cell in plan.cells:
        before, after = former.get(cell.key), present.get(cell.key)
        if before is None or after is None or before["status"] != DONE or after["status"] != DONE:
            continue
        devices.add((before.get("device"), after.get("device")))
        for name in before["metrics"].keys() & after["metrics"].keys():
            old, new = before["metrics"][name], after["metrics"][name]
            compared += 1
            if not _agree(old, new):
                lines.append(f"{cell.row} {cell.dataset} seed {cell.seed} {name}: recorded {old}, now {new}")
    told = f"{compared - len(lines)} of {compared} recorded values agree (relative {TOLERANCE:g})"
    moved = sorted(f"recorded on {old}, now measured on {new}" for old, new in devices if old != new)
    return ["; ".join([told, *moved]), *sorted(lines)]


def _agree(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is new
    return math.isclose(old, new, rel_tol=TOLERANCE, abs_tol=1e-12)
