"""Moving averages of codebooks, and the reset of dead codes: parts of several families."""

import math

import torch
from torch import Tensor, nn

from quantizers.checks import check_choice, check_range

SMOOTHING = ("none", "transient", "persistent")
EPSILON = 1e-5
NOTHING = 1e-20  # a narrow neighbourhood leaves far codes shares of a hit that float32 cannot divide by


class MovingAverage(nn.Module):
    """Exponential moving averages m of sums and N of hits; the codebook is m / N.

    van den Oord et al. 2017, Appendix A.1, with the switches on which implementations differ.

    Args:
        num_codes: Number K of codes.
        code_dim: Dimension D of the code vectors.
        decay: Share of the old average that a step keeps.
        smoothing: Kind of Laplace smoothing of N by 1e-5: "none"; "transient", in the division only; "persistent",
            written back into N (the KSOM code and sonnet).
        initial_count: Count N(0) with which the averages start. With 0 (sonnet's convention) the first step throws an
            unused code far away.
        update_zero: Whether a code without a hit in this step decays too (KSOM's "update-0").
    """

    totals: Tensor

    def __init__(
        self, num_codes: int, code_dim: int, decay: float, smoothing: str, initial_count: float, update_zero: bool
    ) -> None:
        super().__init__()
        self.decay = check_range("decay", decay, 0, 1)
        self.smoothing = check_choice("smoothing", smoothing, SMOOTHING)
        if initial_count not in (0, 1):
            raise ValueError(f"Expected initial_count to be 0 or 1, got {initial_count:g}.")
        self.initial_count = initial_count
        self.update_zero = update_zero
        self.register_buffer("totals", torch.zeros(num_codes, code_dim + 1))

    def restart(self, vectors: Tensor) -> None:
        """Start anew from vectors (K, D): m = vectors and N = N(0), as every implementation does."""
        self.totals[:, :-1] = vectors
        self.totals[:, -1] = self.initial_count

    def step(self, vectors: Tensor, batch: Tensor) -> None:
        """Move the averages and the codebook.

        Args:
            vectors: (K, D) codebook, changed in place.
            batch: (K, D + 1) sums and, in the last column, hits of the batch.
        """
        totals = torch.lerp(batch, self.totals, self.decay)
        if not self.update_zero:
            totals = torch.where(batch[:, -1:] > NOTHING, totals, self.totals)
        self.totals.copy_(totals)
        sums, counts = totals[:, :-1], totals[:, -1:]
        if self.smoothing == "none":
            smoothed = counts
        else:
            total = counts.sum()
            smoothed = (counts + EPSILON) / (total + EPSILON * counts.shape[0]) * total
        if self.smoothing != "none" and self.update_zero:
            vectors.copy_(sums / smoothed)  # smoothing leaves no count at 0, so every code moves
            moved = None
        else:
            # A code that was never counted has no mean: it stays where it is.
            moved = (smoothed if self.update_zero else batch[:, -1:]) > NOTHING
            vectors.copy_(torch.where(moved, sums / smoothed.clamp_min(NOTHING), vectors))
        if self.smoothing == "persistent":
            self.totals[:, -1:] = smoothed if moved is None else torch.where(moved, smoothed, counts)

    def replace(self, vectors: Tensor, dead: Tensor, count: float) -> None:
        """Take vectors (K, D) as the means where dead (K, 1) is true, with the weight of `count` hits."""
        fresh = torch.cat([vectors * count, torch.full_like(vectors[:, :1], count)], dim=1)
        self.totals.copy_(torch.where(dead, fresh, self.totals))


class DeadCodes(nn.Module):
    """Replacement of codes whose hits over a window fall below a share of the uniform rate.

    The window is counted in vectors instead of steps, and the threshold is relative. With 256 vectors per step and
    1,024 codes the uniform rate is 0.25 hits per step, so no absolute number of hits per step separates dead codes from
    live ones.

    Args:
        num_codes: Number K of codes.
        threshold: Share of the uniform rate below which a code is dead.
        window: Length of the window in vectors per code; 64 is about an epoch of the named protocols.
    """

    hits: Tensor

    def __init__(self, num_codes: int, threshold: float, window: float) -> None:
        super().__init__()
        self.threshold = check_range("reset_threshold", threshold, 0, 1)
        self.window = check_range("reset_window", window, 1, math.inf)
        self.register_buffer("hits", torch.zeros(num_codes, 1))

    def replace(self, vectors: Tensor, z: Tensor, hits: Tensor) -> Tensor:
        """Count a batch and, when the window is full, put its vectors in the place of dead codes.

        Args:
            vectors: (K, D) codebook, changed in place.
            z: (B, D) the batch, in random order: the first dead code takes the first row, and so on.
            hits: (K, 1) hits of the batch.

        Returns:
            (K, 1) whether each code was dead; all false until the window is full.
        """
        self.hits.add_(hits)
        mean = self.hits.mean()
        full = mean >= self.window
        dead = full & (self.hits < self.threshold * mean)
        self.hits.copy_(torch.where(full, torch.zeros_like(self.hits), self.hits))
        order = (dead.squeeze(1).long().cumsum(0) - 1).clamp_min(0)
        vectors.copy_(torch.where(dead, z[order % z.shape[0]], vectors))
        return dead
