import numpy as np
import pytest
import torch
from sklearn.cluster import MiniBatchKMeans

from bench.planning.capacity import of_reference
from bench.planning.protocol import PROTOCOLS
from bench.training import references
from bench.training.autoencoder import parameter_count, tokenize
from bench.training.loop import train
from bench.training.references import KMEANS_BATCH, build_reference, train_reference
from bench.training.schedule import Schedule

SCHEDULE = Schedule(warm_up_epochs=1, epochs=2, batch=64, learning_rate=1e-3)


@pytest.fixture(scope="module")
def frames():
    generator = torch.Generator().manual_seed(0)
    centres = 3 * torch.randn(12, 6, generator=generator)
    places = torch.randint(12, (1_600,), generator=generator)
    return centres[places] + 0.5 * torch.randn(1_600, 6, generator=generator)


def trained(name, frames, seed=0):
    model = build_reference(name, num_codes=16, width=6, hidden=8, seed=seed)
    history = train_reference(name, model, frames[:1_200], frames[1_200:], seed, SCHEDULE)
    return model.eval(), history


def test_kmeans_is_scikit_learns(frames):
    model, history = trained("kmeans", frames)
    theirs = MiniBatchKMeans(16, batch_size=KMEANS_BATCH, max_iter=2, n_init=1, random_state=0)
    theirs.fit(frames[:1_200].numpy())
    np.testing.assert_allclose(model.quantizer.codebook.numpy(), theirs.cluster_centers_, rtol=1e-5, atol=1e-6)
    latents, codes = tokenize(model, frames[1_200:])
    assert torch.equal(latents, frames[1_200:])
    assert codes.tolist() == theirs.predict(frames[1_200:].numpy()).tolist()
    assert len(history.validation) == 1
    distances = torch.cdist(frames[1_200:].double(), torch.from_numpy(theirs.cluster_centers_).double())
    assert history.validation[0] == pytest.approx(float(distances.min(1).values.square().mean()) / 6, rel=1e-5)


def test_kmeans_follows_its_seed_and_survives_being_stored(frames):
    model, history = trained("kmeans", frames)
    again, repeated = trained("kmeans", frames)
    other, _ = trained("kmeans", frames, seed=1)
    assert torch.equal(model.quantizer.codebook, again.quantizer.codebook)
    assert history == repeated
    assert not torch.equal(model.quantizer.codebook, other.quantizer.codebook)
    fresh = build_reference("kmeans", num_codes=16, width=6, hidden=8, seed=5)
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh.eval().quantizer.codebook, model.quantizer.codebook)


def test_the_plain_autoencoder_gets_every_epoch_of_the_schedule(frames, monkeypatch):
    schedules = []

    def spied(models, frames, validation, seeds, schedule):
        schedules.append(schedule)
        return train(models, frames, validation, seeds, schedule)

    def error(model):
        with torch.no_grad():
            return float((model.decoder(model.encoder(frames[1_200:])) - frames[1_200:]).square().mean())

    monkeypatch.setattr(references, "train", spied)
    model, _ = trained("none", frames)
    assert schedules == [Schedule(warm_up_epochs=3, epochs=0, batch=64, learning_rate=1e-3)]
    assert error(model) < 0.9 * error(build_reference("none", num_codes=16, width=6, hidden=8, seed=0))


def test_what_references_may_spend():
    protocol = PROTOCOLS["tiny"]
    none, kmeans = (of_reference(name, 8, protocol) for name in ("none", "kmeans"))
    assert (none.codebook_size, none.codebook_values, none.network_parameters) == (0, 0, parameter_count(8, 128))
    assert (kmeans.codebook_size, kmeans.codebook_values, kmeans.network_parameters) == (16, 128, 0)
