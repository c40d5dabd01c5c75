"""Quantizers x datasets x seeds -> cells, each with its keys."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.errors import UnsuitableError, UsageError
from bench.planning.cells import Cell, Plan
from bench.planning.pairs import Pair, cell_of, pair_of
from bench.planning.request import Request, datasets_of, parse_seeds, protocol_of, rows_of, settings_of
from bench.planning.sources import _with_stand_ins, source_of
from bench.planning.tuned import load

FAR_FROM_K = 0.1


def make(request: Request) -> Plan:
    """Resolve names, presets, settings and stand-ins, and match capacities.

    A row that a family cannot have at this codebook size or on frames of this width is refused where the user named the
    family or chose values for it. Where `all` or a suite stood for it, the row is unavailable and the others run.

    Raises:
        UsageError: Something asked for does not exist or cannot be.
    """
    suite = request.loaded()
    protocol = protocol_of(request, suite)
    seeds = parse_seeds(request.seeds) if request.seeds else list(range(protocol.seeds))
    rows = rows_of(request, suite, protocol)
    asked = request.datasets or ",".join(suite.datasets if suite else ())
    sources = datasets_of(asked)
    settings = settings_of(request.settings, [row.quantizer for row, _ in rows], list(sources))
    tuned = load(Path(request.params)) if request.params else {}
    remarks: list[str] = []
    absent: list[tuple[str, str, int, str]] = []
    pairs: list[Pair] = []
    named = {part.strip() for part in request.quantizers.split(",")}
    trials: dict[tuple[str, str], int] = {}
    for asked_for, told in sources.items():
        own = told | settings.get(asked_for, {})
        source = source_of(asked_for, protocol, own, request.require_real, remarks)
        if any(pair.dataset == source.name for pair in pairs):
            if any(pair.dataset_parameters != source.parameters for pair in pairs if pair.dataset == source.name):
                raise UsageError(f"--datasets {asked} asks for {source.name} twice, with different parameters")
            continue
        its = [row for row, only in rows if only is None or asked_for in _with_stand_ins(only)]
        if source.dataset is None:
            absent += [(row.name, source.name, seed, source.reason) for seed in seeds for row in its]
            continue
        unsuitable: dict[str, str] = {}
        for row in its:
            found = tuned.get((row.quantizer, source.name)) if row.plain else None
            if found:
                trials[row.name, source.name] = found.trials
            values = (found.parameters if found else {}) | settings.get(row.quantizer, {})
            try:
                pairs.append(pair_of(row, values, source, protocol))
            except UnsuitableError as error:
                if values or row.name in named:
                    raise
                unsuitable[row.name] = str(error)
        if unsuitable and len(unsuitable) == len(its):
            raise UsageError("; ".join(unsuitable.values()))
        absent += [(name, source.name, seed, reason) for seed in seeds for name, reason in unsuitable.items()]
        remarks += [f"{name} on {source.name} is left out: {reason}" for name, reason in unsuitable.items()]
    if tuned and not trials:
        known = ", ".join(f"{quantizer} on {name}" for quantizer, name in tuned)
        raise UsageError(f"--params {request.params} is for {known}; none of them is in this run")
    unused = [f"{quantizer} on {name}" for quantizer, name in tuned if not _uses(pairs, quantizer, name)]
    if unused:
        remarks.append(f"--params {request.params} is also for {', '.join(unused)}, which this run has not.")
    remarks += [
        f"{pair.row.name} on {pair.dataset} has {pair.capacity.codebook_size} codes, not {pair.protocol.codebook_size}."
        for pair in pairs
        if pair.capacity.codebook_size
        and not pair.row.control
        and abs(pair.capacity.codebook_size / pair.protocol.codebook_size - 1) > FAR_FROM_K
    ]
    cells = tuple(cell_of(pair, seed) for seed in seeds for pair in pairs)
    if suite and not cells and not absent:
        raise UsageError(f"suite {suite.name} has no rows for {asked}; it has some for {', '.join(suite.datasets)}")
    _check_distinct(cells)
    plan = Plan(protocol, cells, tuple(absent), tuple(remarks), trials=trials)
    if suite is None:
        return plan
    return dataclasses.replace(plan, suite=suite.name, published=suite.published, columns=suite.columns)


def _uses(pairs: "Iterable[Pair]", quantizer: str, dataset: str) -> bool:
    return any(pair.row.plain and (pair.row.quantizer, pair.dataset) == (quantizer, dataset) for pair in pairs)


def _check_distinct(cells: Sequence[Cell]) -> None:
    """Two rows of one key would write one record: the same thing was asked for under two names."""
    rows: dict[str, str] = {}
    for cell in cells:
        if rows.setdefault(cell.key, cell.row) != cell.row:
            raise UsageError(f"{rows[cell.key]} and {cell.row} are the same on {cell.dataset}; leave one out")
