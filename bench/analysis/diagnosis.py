"""Diagnosis of cells: what looks wrong in the curves that training and readers recorded, and its likely cause."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.metrics import METRICS
from bench.planning.cells import Cell
from bench.planning.finished import FinishedRun
from bench.records.record import Record
from bench.vocabulary import FAMILY

COLUMNS = ("dataset", "quantizer", "seed", "problem", "finding")
COLLAPSED = 0.25
"""Share of the codes below which a codebook has collapsed."""
LOST = 2 / 3
"""Share of the largest usage below which codes have died."""
MEETING = 0.5
"""Share of the codes in use before the first step, below which codes and latents do not meet at the start."""
APART = 4.0
"""Ratio of two scales that no longer fit each other."""
MOVED = 2.0
"""Factor by which the latents' scale changes, up or down, in the first epoch with the quantizer at a cold start."""
RESTLESS = 0.9
"""Share of frames that change their code between two checks, above which codes never settle."""
RISE = 1.1
"""Ratio of the last validation error to the least that tells of overfitting or of an unstable training."""
READER_RISE = 1.2
"""The same ratio of a reader's perplexities."""
FALL = 0.9
"""Ratio of the last error to that at four fifths of the training, below which training ended early."""
ENTROPY, RESET = ("entropy", "diversity"), "reset_threshold"
"""Beginnings of the names of parameters that weigh an entropy term, and the parameter that restarts dead codes."""

Curve = Sequence[float | None]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is off in a cell.

    Attributes:
        problem: Kind of problem: "collapse", "dead codes", "scale", "restless codes", "overfitting", "unstable",
            "undertrained" or "reader".
        cause: Likely cause of a collapse or of dead codes: "scale", "entropy", "start" or "reset"; "" for the others.
        text: One sentence with the figures and a remedy.
    """

    problem: str
    cause: str = ""
    text: str


def diagnoses(run: FinishedRun) -> pd.DataFrame:
    """Findings about the families of a run, one row per cell and finding, in the order of the plan."""
    rows = []
    for cell, record in run.done():
        if cell.role == FAMILY:
            for finding in diagnose(run.whole(record), cell):
                problem = f"{finding.problem}: {finding.cause}" if finding.cause else finding.problem
                rows.append((cell.dataset, cell.row, cell.seed, problem, finding.text))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def diagnose(record: Record, cell: Cell) -> list[Finding]:
    """Findings about one cell, from its record alone.

    Args:
        record: Whole record of the cell, with its curves.
        cell: Cell with the parameters of the quantizer.
    """
    history = record["history"]
    observed = history.get("codebook", {})
    findings = list(_codebook(observed, cell.parameters)) if observed else []
    findings += _training(history["validation"], history.get("train", []))
    for metric, curve in record.get("curves", {}).items():
        if metric in METRICS and "reader" in METRICS[metric].budgets:  # readers of an eighth stop early by design
            findings += _reader(metric, curve, cell.protocol["reader"]["updates"])
    return findings


def _codebook(observed: Mapping[str, Curve], parameters: Mapping[str, object]) -> Iterator[Finding]:
    usage = _numbers(observed["usage"])
    latents, codes = _numbers(observed["latent_scale"]), _numbers(observed["code_scale"])
    if len(usage) < 2 or not min(latents[-1], codes[-1], *latents[:2]) > 0:
        return
    scale = _scale(latents, codes)
    lost = usage[-1] < LOST * (1.0 if usage[0] < COLLAPSED else max(usage))
    if usage[-1] < COLLAPSED or lost:
        problem = "collapse" if usage[-1] < COLLAPSED else "dead codes"
        cause, why = _cause(usage, latents, codes, parameters, scale)
        ends = f"{_percent(usage[-1])} of the codes are in use at the end ({_percent(usage[0])} before the first step)"
        yield Finding(problem=problem, cause=cause, text=f"{ends}: {why}")
    elif scale:
        yield Finding(problem="scale", text=scale)
    elif (churn := observed["churn"][-1]) is not None and churn > RESTLESS:
        eager = "; codes restart before they win frames, so lower reset_threshold" if parameters.get(RESET) else ""
        text = f"{_percent(churn)} of the frames change their code from the last check but one to the last{eager}"
        yield Finding(problem="restless codes", text=text)


def _scale(latents: Sequence[float], codes: Sequence[float]) -> str:
    """Sentence about latents and codes whose scales do not fit; "" where they do."""
    ratio, growth = latents[-1] / codes[-1], latents[-1] / latents[1]
    if ratio > APART:
        return f"the latents spread {_times(ratio)} times as far as the codes; raise the commitment weight"
    if ratio < 1 / APART:
        return f"the codes spread {_times(1 / ratio)} times as far as the latents; start them from encoder outputs"
    if growth > APART:
        return (
            f"the latents grow to {_times(growth)} times their scale after the first check; raise the commitment weight"
        )
    return ""


def _cause(
    usage: Sequence[float],
    latents: Sequence[float],
    codes: Sequence[float],
    parameters: Mapping[str, object],
    scale: str,
) -> tuple[str, str]:
    """Likely cause of a collapse, in one word and in one sentence."""
    if scale:
        return "scale", scale
    weights = [f"{name}={value}" for name, value in parameters.items() if name.startswith(ENTROPY)]
    if weights:
        return "entropy", f"the scales fit, so the entropy term ({', '.join(weights)}) does not balance the codes"
    if usage[0] < MEETING:
        return "start", (
            f"codes and latents do not meet at the start: their scales are {codes[0]:.3g} and {latents[0]:.3g}; start "
            "the codes from encoder outputs"
        )
    change = max(latents[1] / latents[0], latents[0] / latents[1])
    if usage[1] < LOST * usage[0] and change > MOVED:
        return "start", (
            f"the latents' scale changes by a factor of {_times(change)} in the first epoch, and the codes stay "
            "behind; train the autoencoder alone first (warm_up_epochs)"
        )
    threshold = parameters.get(RESET)
    if threshold is None:
        return "reset", "codes die during training, and this family does not restart them; vq-reset and vq-vae do"
    if not threshold:
        return "reset", f"codes die during training, and the reset is off ({RESET}=0)"
    return "reset", f"codes die during training in spite of the reset; raise {RESET}, which is {threshold:g}"


def _training(errors: Sequence[float], train: Curve) -> Iterator[Finding]:
    least = errors.index(min(errors))
    late = errors[max(0, math.ceil(0.8 * len(errors)) - 1)]
    if errors[-1] > RISE * errors[least]:
        then, now = (train[least], train[-1]) if len(train) == len(errors) else (None, None)
        unstable = then is not None and now is not None and now > then
        rise = _percent(errors[-1] / errors[least] - 1)
        text = f"the validation error rose by {rise} after check {least + 1} of {len(errors)}"
        if unstable:
            yield Finding(problem="unstable", text=f"{text}, and the training error rose too")
        else:
            yield Finding(problem="overfitting", text=text)
    elif len(errors) >= 5 and errors[-1] < FALL * late:
        text = (
            f"the validation error fell by {_percent(1 - errors[-1] / late)} in the last fifth; train for more epochs"
        )
        yield Finding(problem="undertrained", text=text)


def _reader(metric: str, curve: Sequence[Sequence[float]], barely: int) -> Iterator[Finding]:
    """Findings about a reader, other than the one that is trained for `barely` updates by definition."""
    readings = [(update, value) for update, value in curve if value is not None and math.isfinite(value)]
    if len(readings) < 4 or readings[-1][0] <= barely:
        return
    best, least = min(readings, key=lambda reading: reading[1])
    last, final = readings[-1]
    late = readings[math.ceil(0.8 * len(readings)) - 1][1]
    if final > READER_RISE * least:
        text = f"perplexity on validation rose by {_percent(final / least - 1)} after update {best}, where it was read"
        yield Finding(problem="reader", text=f"the reader of {metric} overfits: its {text}")
    elif final < FALL * late:
        text = f"perplexity on validation fell by {_percent(1 - final / late)} in the last fifth of its {last} updates"
        yield Finding(problem="reader", text=f"the reader of {metric} is cut short: its {text}")


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _numbers(curve: Curve) -> list[float]:
    return [math.nan if value is None else value for value in curve]
