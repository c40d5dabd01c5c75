"""Agreement of codebooks that were trained on other seeds: how reproducible is a map?

Both metrics compare the codes of the same frames, so `bench.analysis.results` computes them for all seeds of a row.
"""

from numpy.typing import ArrayLike
from torch import Tensor

from bench.metrics.arguments import indices, lattice, numbers
from bench.metrics.base import Metric
from bench.metrics.registry import add


def map_agreement(first: ArrayLike | Tensor, second: ArrayLike | Tensor) -> float:
    """Normalised mutual information of the codes that two tokenizers give the same frames, in [0, 1].

    I(A; B) / ((H(A) + H(B)) / 2); 1 where the codes are the same but for their names. Tokenizers that follow the same
    data agree to some degree even where their codebooks have nothing else in common.

    The codes 0 and 1 both become the code 7: I = 1 bit, and H = 1.5 and 1 bits:

    >>> round(map_agreement([0, 1, 2, 2], [7, 7, 3, 3]), 6)
    0.8

    Args:
        first: (N,) codes of one tokenizer.
        second: (N,) codes of the other.

    Raises:
        ValueError: The codes are not whole, or their shapes differ.
    """
    from sklearn.metrics import normalized_mutual_info_score  # heavy, and only tables of several seeds need it

    codes = [indices(name, values, 1 << 31) for name, values in (("first", first), ("second", second))]
    if codes[0].ndim != 1 or codes[0].shape != codes[1].shape or not codes[0].size:
        raise ValueError(f"expected first (N,) and second (N,), got {codes[0].shape} and {codes[1].shape}")
    return float(normalized_mutual_info_score(*codes))


def grid_agreement(first: ArrayLike | Tensor, second: ArrayLike | Tensor) -> float | None:
    """1 - Procrustes disparity of the lattice positions that two tokenizers give the same frames, in [0, 1].

    The second map is moved, scaled, turned and mirrored onto the first (Gower 1975; `scipy.spatial.procrustes`). The
    value is 1 where the maps then coincide, because a trained map has no preferred orientation.

    A map that is mirrored and twice as large is the same map:

    >>> grid_agreement([[0, 0], [1, 0], [0, 2]], [[0, 0], [-2, 0], [0, 4]])
    1.0

    Args:
        first: (N, g) lattice positions of the codes of one tokenizer.
        second: (N, g) those of the other.

    Returns:
        The agreement, or None where all frames have one position in a map.

    Raises:
        ValueError: Positions are not whole, or their shapes differ.
    """
    from scipy.spatial import procrustes

    places = [numbers(name, lattice(name, values)) for name, values in (("first", first), ("second", second))]
    if places[0].ndim != 2 or places[0].shape != places[1].shape or not places[0].size:
        raise ValueError(f"expected first (N, g) and second (N, g), got {places[0].shape} and {places[1].shape}")
    if any((place == place[0]).all() for place in places):
        return None
    return round(1.0 - float(procrustes(*places)[2]), 12)


add(
    Metric(
        "map_agreement",
        None,
        "none",
        "normalised mutual information of the codes of the same frames under two seeds, mean over the other seeds; "
        "[0, 1], blank for a single seed",
    )
)
add(
    Metric(
        "grid_agreement",
        None,
        "none",
        "1 - Procrustes disparity of the lattice positions of the same frames under two seeds, mean over the other "
        "seeds; [0, 1], blank for a single seed",
        needs=("positions",),
    )
)
