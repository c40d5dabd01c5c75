"""Agreement of the codebooks of a row over its seeds, from the codes of frames that all of them encoded."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from bench.metrics.map_agreement import grid_agreement, map_agreement
from bench.planning.finished import FinishedRun
from bench.records.files import check_readable
from bench.records.store import COMMON_CODES, Store

Codes = NDArray[np.int64]


def map_agreements(run: FinishedRun) -> dict[str, dict[str, float]]:
    """Mean agreement of every tokenizer with those of the other seeds of its row.

    Returns:
        "map_agreement" and "grid_agreement" -> key of a cell -> mean over the other seeds; a cell without codes of the
        common frames, and one whose row has no other, is not in it.
    """
    rows: dict[tuple[str, str], list[tuple[str, Codes, Codes | None]]] = {}
    for cell, _ in run.done():
        if not cell.control and (read := _read(run.store, cell.key)):
            rows.setdefault(cell.pair, []).append((cell.key, *read))
    agreements: dict[str, dict[str, float]] = {"map_agreement": {}, "grid_agreement": {}}
    for seeds in rows.values():
        codes = {key: codes for key, codes, _ in seeds}
        agreements["map_agreement"] |= _means(codes, map_agreement)
        places = {key: positions[codes] for key, codes, positions in seeds if positions is not None}
        agreements["grid_agreement"] |= _means(places, grid_agreement)
    return agreements


def _read(store: Store, key: str) -> tuple[Codes, Codes | None] | None:
    """Codes (N,) of the common frames and lattice positions (K, g); None where there are none that can be read."""
    path = store.codes(key)
    try:
        check_readable(path)
        with safe_open(path, "np") as file:
            names = set(file.keys())
            if COMMON_CODES not in names:
                return None
            codes = file.get_tensor(COMMON_CODES).astype(np.int64)
            positions = file.get_tensor("positions").astype(np.int64) if "positions" in names else None
    except (OSError, SafetensorError, ValueError):
        return None
    if codes.ndim != 1 or (positions is not None and codes.max(initial=0) >= len(positions)):
        return None
    return codes, positions


def _means(values: Mapping[str, Codes], agreement: Callable[[Any, Any], float | None]) -> dict[str, float]:
    """Mean agreement of every value with the others of the same shape."""
    agreements: dict[str, list[float]] = {}
    for first, second in itertools.combinations(values, 2):
        if values[first].shape == values[second].shape:
            value = agreement(values[first], values[second])
            if value is not None:
                agreements.setdefault(first, []).append(value)
                agreements.setdefault(second, []).append(value)
    return {key: _mean(of_key) for key, of_key in agreements.items()}


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
