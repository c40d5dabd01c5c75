"""Quantizers x datasets x seeds -> cells, each with its keys."""

from collections.abc import Sequence
from pathlib import Path

from bench.errors import UnsuitableError, UsageError
from bench.planning.cells import Cell, Plan, Unavailable
from bench.planning.pairs import Pair, cell_of, pair_of
from bench.planning.request import Request, datasets_of, parse_seeds, protocol_of, rows_of, settings_of
from bench.planning.rows import Row
from bench.planning.sources import Source, source_of, with_stand_ins
from bench.planning.tuned import load
from bench.typing import JSON

FAR_FROM_K = 0.1
"""Relative difference between the codebook size and the protocol's from which a remark says so."""


def make(request: Request) -> Plan:
    """Resolve names, presets, settings and stand-ins, and match capacities.

    A row that a family cannot have at this codebook size or frame width is refused where the user named the family or
    chose values for it. Where `all` or a suite stood for it, the row is unavailable and the others run.

    Raises:
        UsageError: Something that the request names does not exist, or cannot be.
    """
    return _Planner(request).plan()


class _Planner:
    """The state of making one plan.

    Args:
        request: Names and values that the user gave.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.suite = request.loaded()
        self.protocol = protocol_of(request, self.suite)
        self.seeds = parse_seeds(request.seeds) if request.seeds else list(range(self.protocol.seeds))
        self.rows = rows_of(request, self.suite, self.protocol)
        self.datasets = request.datasets or ",".join(self.suite.datasets if self.suite else ())
        self.named_rows = {part.strip() for part in request.quantizers.split(",")}
        self.tuned = load(Path(request.params)) if request.params else {}
        self.pairs: list[Pair] = []
        self.unavailable: list[Unavailable] = []
        self.remarks: list[str] = []
        self.trials: dict[tuple[str, str], int] = {}

    def plan(self) -> Plan:
        """Make the plan."""
        sources = datasets_of(self.datasets)
        settings = settings_of(self.request.settings, [row.quantizer for row, _ in self.rows], list(sources))
        for name, parameters in sources.items():
            chosen = parameters | settings.get(name, {})
            source = source_of(name, self.protocol, chosen, self.request.require_real, self.remarks)
            if not self._is_planned(source):
                self._add(source, self._rows_for(name), settings)
        self._check_tuned()
        self._remark_on_codebook_sizes()
        cells = tuple(cell_of(pair, seed) for seed in self.seeds for pair in self.pairs)
        if self.suite and not cells and not self.unavailable:
            known_datasets = ", ".join(self.suite.datasets)
            raise UsageError(
                f"suite {self.suite.name} has no rows for {self.datasets}; it has some for {known_datasets}"
            )
        _check_distinct(cells)
        return Plan(
            protocol=self.protocol,
            cells=cells,
            unavailable=tuple(self.unavailable),
            remarks=tuple(self.remarks),
            suite=self.suite.name if self.suite else "",
            published=self.suite.published if self.suite else (),
            columns=self.suite.columns if self.suite else (),
            trials=self.trials,
        )

    def _is_planned(self, source: Source) -> bool:
        """Whether pairs of this dataset are planned already, say because its stand-in was named as well."""
        planned = [pair.dataset_parameters for pair in self.pairs if pair.dataset == source.name]
        if any(parameters != source.parameters for parameters in planned):
            raise UsageError(f"--datasets {self.datasets} asks for {source.name} twice, with different parameters")
        return bool(planned)

    def _rows_for(self, dataset: str) -> list[Row]:
        """Rows of the request that are for a dataset, or for the dataset that it stands in for."""
        rows = []
        for row, only_datasets in self.rows:
            if only_datasets is None or dataset in with_stand_ins(only_datasets):
                rows.append(row)
        return rows

    def _add(self, source: Source, rows: Sequence[Row], settings: dict[str, JSON]) -> None:
        """Add the pairs of one dataset, and what cannot be run on it."""
        if source.dataset is None:
            self._add_unavailable(source, {row.name: source.reason for row in rows})
            return
        reasons: dict[str, str] = {}
        for row in rows:
            values = self._tuned_values(row, source) | settings.get(row.quantizer, {})
            try:
                self.pairs.append(pair_of(row, values, source, self.protocol))
            except UnsuitableError as error:
                if values or row.name in self.named_rows:
                    raise
                reasons[row.name] = str(error)
        if reasons and len(reasons) == len(rows):
            raise UsageError("; ".join(reasons.values()))
        self._add_unavailable(source, reasons)
        for name, reason in reasons.items():
            self.remarks.append(f"{name} on {source.name} is left out: {reason}")

    def _add_unavailable(self, source: Source, reasons: dict[str, str]) -> None:
        for seed in self.seeds:
            for row, reason in reasons.items():
                self.unavailable.append(Unavailable(row, source.name, seed, reason))

    def _tuned_values(self, row: Row, source: Source) -> JSON:
        """Tuned parameters of a row on a dataset; none where there are none for it."""
        tuned = self.tuned.get((row.quantizer, source.name)) if row.plain else None
        if tuned is None:
            return {}
        self.trials[row.name, source.name] = tuned.trials
        return tuned.parameters

    def _check_tuned(self) -> None:
        """Refuse a file of tuned parameters of which none is used, and say which are not."""
        if self.tuned and not self.trials:
            pairs = ", ".join(f"{quantizer} on {dataset}" for quantizer, dataset in self.tuned)
            raise UsageError(f"--params {self.request.params} is for {pairs}; none of them is in this run")
        used = {(pair.row.quantizer, pair.dataset) for pair in self.pairs if pair.row.plain}
        unused = [f"{quantizer} on {dataset}" for quantizer, dataset in self.tuned if (quantizer, dataset) not in used]
        if unused:
            self.remarks.append(
                f"--params {self.request.params} is also for {', '.join(unused)}, which this run has not."
            )

    def _remark_on_codebook_sizes(self) -> None:
        for pair in self.pairs:
            size, wanted = pair.capacity.codebook_size, pair.protocol.codebook_size
            if size and not pair.row.control and abs(size / wanted - 1) > FAR_FROM_K:
                self.remarks.append(f"{pair.row.name} on {pair.dataset} has {size} codes, not {wanted}.")


def _check_distinct(cells: Sequence[Cell]) -> None:
    """Refuse two rows of one key, which would write one record: the same thing was asked for under two names."""
    rows: dict[str, str] = {}
    for cell in cells:
        if rows.setdefault(cell.key, cell.row) != cell.row:
            raise UsageError(f"{rows[cell.key]} and {cell.row} are the same on {cell.dataset}; leave one out")
