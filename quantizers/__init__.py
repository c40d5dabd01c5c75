"""Quantizers: one codebook each, as plain modules on vectors (B, D).

    import quantizers
    quantizer = quantizers.create("som-vq", num_codes=1024, code_dim=8, rate=0.05)
    quantizer.initialise(z)
    quantized, codes, loss = quantizer(z)

The families are `vq`, `vq-reset`, `som-hard`, `ksom`, `som-vq`, `vq-vae` and `fsq`; a preset of parameters is
`name:preset`. `lfq`, `som-vae`, `pq` and `rvq` are not part of `all`; `group` gives the families that `all`, `maps`,
`lattices`, `products` and `everything` stand for. `vqt-*` are quantizers of vector-quantize-pytorch, where that is
installed. `quantizers.load_tokenizer` loads a tokenizer that `bench export` wrote.
"""

from quantizers._vqt import DISTRIBUTION
from quantizers.base import Quantized, Quantizer, nearest
from quantizers.fsq import FSQ
from quantizers.ksom import KSOM
from quantizers.learned import LearnedCodebook
from quantizers.lfq import LFQ
from quantizers.pq import PQ
from quantizers.registry import GROUPS, Family, create, families, get, group, names, register
from quantizers.rvq import RVQ
from quantizers.som_hard import SOMHard
from quantizers.som_vae import SOMVAE
from quantizers.som_vq import SOMVQ
from quantizers.tokenizer import Tokenizer, TokenizerError, load_tokenizer
from quantizers.vq import VQ
from quantizers.vq_reset import VQReset
from quantizers.vq_vae import VQVAE
from quantizers.vqt import VqtFSQ, VqtLFQ, VqtRVQ, VqtSimVQ, VqtVQ

__all__ = [
    "FSQ",
    "GROUPS",
    "KSOM",
    "LFQ",
    "PQ",
    "RVQ",
    "SOMVAE",
    "SOMVQ",
    "VQ",
    "VQVAE",
    "Family",
    "LearnedCodebook",
    "Quantized",
    "Quantizer",
    "SOMHard",
    "Tokenizer",
    "TokenizerError",
    "VQReset",
    "create",
    "families",
    "get",
    "group",
    "load_tokenizer",
    "names",
    "nearest",
    "register",
]

register("vq", paper="van den Oord et al. 2017, arXiv 1711.00937")(VQ)
register("vq-reset", paper="Dhariwal et al. 2020, arXiv 2005.00341")(VQReset)
register("som-hard", paper="Kohonen 2001, Self-Organizing Maps", groups=("all", "maps"))(SOMHard)

# A preset names every value, so that it stays what it is when a default moves.
register(
    "ksom",
    paper="Irie et al. 2023, arXiv 2302.07950",
    groups=("all", "maps"),
    presets={
        "paper": {
            "neighbourhood": "hard",
            "dimensions": 2,
            "schedule": "tau",
            "tau": 0.1,
            "base": 10.0,
            "decay": 0.99,
            "commitment": 0.25,
            "smoothing": "persistent",
            "initial_count": 1.0,
            "update_zero": True,
            "initialisation": "data",
        }
    },
)(KSOM)
register(
    "som-vq",
    paper="Londei et al. 2026, arXiv 2602.21133",
    groups=("all", "maps"),
    presets={
        "paper": {
            "warm_up_rate": 0.1,
            "sigma_start": 0.0,
            "sigma_end": 1.0,
            "rate": 0.005,
            "sigma": 0.5,
            "commitment_rate": 0.1,
            "commitment": 0.25,
            "warm_up_share": 1 / 6,
        }
    },
)(SOMVQ)
register(
    "vq-vae",
    paper="van den Oord et al. 2017, arXiv 1711.00937",
    presets={
        "paper": {
            "hidden": 512,
            "codebook_weight": 0.0,
            "commitment": 0.25,
            "decay": 0.99,
            "reset_threshold": 0.03,
            "reset_window": 64.0,
        }
    },
)(VQVAE)
register(
    "fsq", paper="Mentzer et al. 2023, arXiv 2309.15505", presets={"2d": {"channels": 2}}, groups=("all", "lattices")
)(FSQ)
register(
    "lfq",
    paper="Yu et al. 2023, arXiv 2310.05737",
    presets={
        "bsq": {"spherical": True, "entropy": 0.01, "diversity": 1.0, "commitment": 0.25, "temperature": 0.01},
    },
    groups=("lattices",),
)(LFQ)
register(
    "pq",
    paper="Jegou et al. 2011, IEEE TPAMI 33(1)",
    presets={"one-index": {"one_index": True}},
    groups=("products",),
)(PQ)
register(
    "rvq",
    paper="Zeghidour et al. 2021, arXiv 2107.03312",
    presets={"one-index": {"one_index": True}},
    groups=("products",),
)(RVQ)
register("som-vae", paper="Fortuin et al. 2019, arXiv 1806.02199", groups=("maps",))(SOMVAE)

# Of vector-quantize-pytorch, in the extra `peers`.
register(
    "vqt-vq",
    paper="van den Oord et al. 2017, arXiv 1711.00937",
    presets={"rotation": {"decay": 0.8, "commitment": 1.0, "rotation": True}},
    requires=DISTRIBUTION,
)(VqtVQ)
register("vqt-rvq", paper="Zeghidour et al. 2021, arXiv 2107.03312", requires=DISTRIBUTION)(VqtRVQ)
register("vqt-simvq", paper="Zhu et al. 2024, arXiv 2411.02038", requires=DISTRIBUTION)(VqtSimVQ)
register("vqt-fsq", paper="Mentzer et al. 2023, arXiv 2309.15505", requires=DISTRIBUTION)(VqtFSQ)
register("vqt-lfq", paper="Yu et al. 2023, arXiv 2310.05737", requires=DISTRIBUTION)(VqtLFQ)
