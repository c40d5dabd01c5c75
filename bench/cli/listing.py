"""What `bench list` and `bench run --dry-run` print."""

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
    """A list of quantizers, datasets, metrics, protocols or suites.

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
    for family in (quantizers.get(name)[0] for name in quantizers.names()):
        parameters = ", ".join(f"{name}={value!r}" for name, value in family.parameters.items())
        lines = [f"{family.name}  ({family.cls.__name__}; {family.paper or 'no source given'})", f"    {parameters}"]
        if family.requires:
            lines.append(f"    {_requirement(family.requires)}; not part of all")
        for preset, values in family.presets.items():
            lines.append(
                f"    {family.name}:{preset}  " + ", ".join(f"{name}={value!r}" for name, value in values.items())
            )
        blocks.append("\n".join(lines))
    blocks += [f"{name}  (reference, never ranked; {purpose})" for name, purpose in REFERENCES.items()]
    blocks += [f"QUANTIZER+{name}  (control, never ranked; {purpose})" for name, purpose in CONTROLS.items()]
    return "\n".join(blocks)


def _requirement(distribution: str) -> str:
    try:
        return f"needs {distribution}, which is here in version {metadata.version(distribution)}"
    except metadata.PackageNotFoundError:
        return f"needs {distribution}, which is not installed: pip install {distribution}"


def _datasets() -> str:
    blocks = []
    for name in datasets.names():
        cls = datasets.get(name)
        parameters = ", ".join(f"{key}={value!r}" for key, value in datasets.parameters(name).items())
        kind = "" if cls.real else " stand-in, synthetic;"
        lines = [f"{name}{':PATH' * cls.located}  ({cls.__name__};{kind} {cls.source})", f"    {parameters}"]
        lines.append(f"    {datasets.missing(name) or 'on this machine'}")
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def _metrics() -> str:
    rows = [
        {"metric": m.name, "better": f"target {m.target:g}" if m.target is not None else m.direction, "": m.summary}
        for m in METRICS.values()
    ]
    return _table(rows)


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
    return _table(rows)


def _suites() -> str:
    rows = []
    for name in suites.names():
        chosen = suites.load(name)
        count = len(chosen.rows(PROTOCOLS[chosen.protocol]))
        rows.append({"suite": name, "protocol": chosen.protocol, "rows": count, "": chosen.purpose})
    return _table(rows)


def _table(rows: list[dict[str, Any]]) -> str:
    return str(tabulate(rows, headers="keys", tablefmt="simple", disable_numparse=True))
