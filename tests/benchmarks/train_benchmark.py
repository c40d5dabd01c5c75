"""The training step of every family in one autoencoder, against vector-quantize-pytorch and against our own `vq`."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import datasets
from bench.kernels.adam import Adam
from bench.training.autoencoder import build

WIDTH, BATCH, HIDDEN, STEPS = 8, 256, 256, 10


@pytest.fixture(scope="module")
def batches():
    frames = torch.from_numpy(datasets.load("lorenz", seed=0, sequences=80).frames["train"].reshape(-1, WIDTH))
    order = torch.randperm(len(frames), generator=torch.Generator().manual_seed(0))
    return frames[order][: len(frames) // BATCH * BATCH].split(BATCH)


def autoencoder(label, num_codes, batches):
    """Ours, its codebook put in among encoder outputs."""
    model = build(label, {}, num_codes=num_codes, width=WIDTH, hidden=HIDDEN, seed=0)
    with torch.no_grad():
        model.quantizer.initialise(model.encoder(torch.cat(batches)))
    return model.train()


def endless(batches):
    while True:
        yield from batches


@pytest.fixture
def our_steps(descend, batches):
    """Makes what the trainer does in a step, ten times a call."""

    def made(label, num_codes):
        model, source = autoencoder(label, num_codes, batches), endless(batches)
        optimiser = Adam(model.parameters(), 1e-3)

        def run():
            for _ in range(STEPS):
                descend(model, optimiser, next(source))

        return run

    return made


def their_steps(quantizer, batches, outputs):
    """The same networks, loss and optimiser in plain PyTorch, around a quantizer whose forward learns the codebook."""
    model, source = autoencoder("vq", 1, batches), endless(batches)
    encoder, decoder = (nn.Sequential(*part) for part in (model.encoder, model.decoder))
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters(), *quantizer.parameters()], 1e-3)

    def run():
        for _ in range(STEPS):
            x = next(source)
            quantized, loss = outputs(quantizer(encoder(x)[None]))
            optimiser.zero_grad()
            (F.mse_loss(decoder(quantized[0]), x) + loss).backward()
            optimiser.step()

    return run


def test_vq(against, our_steps, batches):
    peer = pytest.importorskip("vector_quantize_pytorch", reason="vector-quantize-pytorch is not installed")
    quantizer = peer.VectorQuantize(
        dim=WIDTH, codebook_size=1_024, decay=0.99, commitment_weight=0.25, rotation_trick=False
    )
    with torch.no_grad():
        vectors = autoencoder("vq", 1_024, batches).quantizer.codebook
        quantizer._codebook.embed.copy_(vectors[None])
        quantizer._codebook.embed_avg.copy_(vectors[None])
        quantizer._codebook.cluster_size.fill_(1.0)
    theirs = their_steps(quantizer, batches, lambda output: (output[0], output[2].sum()))
    work = "training step of VQ, K = 1,024, D = 8, batch 256"
    ours = our_steps("vq", 1_024)
    against(ours, theirs, work=work, peer="vector-quantize-pytorch", goal=4.0, steps=STEPS)


def test_fsq(against, our_steps, batches):
    peer = pytest.importorskip("vector_quantize_pytorch", reason="vector-quantize-pytorch is not installed")
    theirs = their_steps(peer.FSQ(levels=[8, 5, 5, 5], dim=WIDTH), batches, lambda output: (output[0], 0.0))
    work = "training step of FSQ, levels 8 5 5 5, D = 8, batch 256"
    ours = our_steps("fsq", 1_024)
    against(ours, theirs, work=work, peer="vector-quantize-pytorch", goal=1.2, steps=STEPS)


@pytest.mark.parametrize(("num_codes", "limit"), [(1_024, 1.15), (4_096, 1.3)])
@pytest.mark.parametrize("label", ["som-vq", "ksom", "som-hard"])
def test_maps(against, our_steps, label, num_codes, limit):
    work = f"training step of {label}, K = {num_codes:,}"
    ours, plain = our_steps(label, num_codes), our_steps("vq", num_codes)
    against(ours, plain, work=work, peer="our VQ step", limit=limit, steps=STEPS)
