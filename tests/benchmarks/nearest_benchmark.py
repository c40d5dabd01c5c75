"""Encoding a million frames, against torch.cdist and argmin."""

import torch

from quantizers.base import nearest

FRAMES, BLOCK = 1_000_000, 4_096


def test_encode(against):
    generator = torch.Generator().manual_seed(0)
    z, vectors = torch.randn(FRAMES, 8, generator=generator), torch.randn(1_024, 8, generator=generator)

    def plain():
        # In blocks, because at once the distances would take 4 GB; of the size that suits it best.
        return torch.cat([torch.cdist(block, vectors).argmin(1) for block in z.split(BLOCK)])

    assert (nearest(z, vectors) == plain()).float().mean() > 0.9999  # cdist rounds its near ties
    work = "encode 1,000,000 frames, K = 1,024, D = 8"
    against(lambda: nearest(z, vectors), plain, work=work, peer="torch.cdist and argmin", goal=2.0, rounds=5)
