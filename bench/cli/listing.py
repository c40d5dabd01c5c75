"""Lists that `bench list` prints."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from tabulate import tabulate

import datasets
import quantizers
from bench.errors import UsageError
from bench.metrics import METRICS
from bench.planning import suites
from bench.planning.protocol import PROTOCOLS
from bench.vocabulary import CONTROLS, REFERENCES
from quantizers.checks import suggestion


def show(what: str) -> str:
    """Format a list of quantizers, datasets, metrics, protocols or suites.

    Raises:
        UsageError: There is no such list.
    """
    lists = {
        "quantizers": _quantizers,
        "datasets": _datasets,
        "metrics": _metrics,
        "protocols": _protocols,
        "suites": _suites,
    }
    if what not in lists:
        raise UsageError(f"nothing to list under {what!r}; {suggestion(what, list(lists))}")
    return lists[what]()


def _quantizers() -> str:
    blocks = []
    for registered_name in quantizers.names():
        family = quantizers.get(registered_name)[0]
        source = family.paper or "no source given"
        lines = [f"{family.name}  ({family.cls.__name__}; {source})", f"    {_arguments(family.parameters)}"]
        if family.requires:
            lines.append(f"    {_requirement(family.requires)}; not part of all")
        elif "all" not in family.groups:
            lines.append("    not part of all")
        for preset, values in family.presets.items():
            lines.append(f"    {family.name}:{preset}  {_arguments(values)}")
        blocks.append("\n".join(lines))
    blocks += [f"{name}  (reference, never ranked; {purpose})" for name, purpose in REFERENCES.items()]
    blocks += [f"QUANTIZER+{name}  (control, never ranked; {purpose})" for name, purpose in CONTROLS.items()]
    for group, purpose in quantizers.GROUPS.items():
        blocks.append(f"{group}  (group; {purpose}: {', '.join(quantizers.group(group))})")
    return "\n".join(blocks)


def _arguments(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _requirement(distribution: str) -> str:
    try:
        return f"needs {distribution}, which is here in version {metadata.version(distribution)}"
    except metadata.PackageNotFoundError:
        return f"needs {distribution}, which is not installed: pip install {distribution}"


def _datasets() -> str:
    blocks = []
    for name in datasets.names():
        cls = datasets.get(name)
        kind = "" if cls.real else " stand-in, synthetic;"
        lines = [
            f"{name}{':PATH' * cls.located}  ({cls.__name__};{kind} {cls.source})",
            f"    {_arguments(datasets.parameters(name))}",
        ]
        lines.append(f"    {datasets.missing(name) or 'on this machine'}")
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def _metrics() -> str:
    rows = []
    for metric in METRICS.values():
        better = metric.direction if metric.target is None else f"target {metric.target:g}"
        rows.append({"metric": metric.name, "better": better, "": metric.summary})
    return table(rows)


def _protocols() -> str:
    rows = []
    for protocol in PROTOCOLS.values():
        schedule, reader = protocol.schedule, protocol.reader
        rows.append(
            {
                "protocol": protocol.name,
                "sequences": protocol.sequences,
                "K": protocol.codebook_size,
                "hidden": protocol.hidden,
                "epochs": f"{schedule.warm_up_epochs} + {schedule.epochs}",
                "seeds": protocol.seeds,
                "readers": f"{reader.updates}; at most {reader.cap}; an eighth: at most {protocol.small_reader.cap}",
                "": protocol.purpose,
            }
        )
    return table(rows)


def _suites() -> str:
    rows = []
    for name in suites.names():
        chosen = suites.load(name)
        count = len(chosen.rows(PROTOCOLS[chosen.protocol]))
        rows.append({"suite": name, "protocol": chosen.protocol, "rows": count, "": chosen.purpose})
    return table(rows)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format rows as a plain table, with their keys as its head."""
    return str(tabulate(rows, headers="keys", tablefmt="simple", disable_numparse=True))
