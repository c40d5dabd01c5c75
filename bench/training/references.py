"""Reference rows: the plain autoencoder ("none") and k-means, trained and kept like any other tokenizer."""

import torch
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor, nn

from bench.training.autoencoder import Autoencoder, build
from bench.training.loop import train
from bench.training.schedule import History, Schedule

KMEANS_BATCH = 4_096


def build_reference(name: str, *, num_codes: int, width: int, hidden: int, seed: int) -> Autoencoder:
    """Untrained model of a reference, "none" or "kmeans", which `train_reference` trains in place.

    The quantizer of "none" has one code that nothing uses. K-means has no networks: its codes are frames.
    """
    model = build("vq", {}, num_codes=1 if name == "none" else num_codes, width=width, hidden=hidden, seed=seed)
    if name == "kmeans":
        model.encoder, model.decoder = nn.Sequential(nn.Identity()), nn.Sequential(nn.Identity())
    return model


def train_reference(
    name: str, model: Autoencoder, frames: Tensor, validation: Tensor, seed: int, schedule: Schedule
) -> History:
    """Train in place; arguments as `train`'s for one seed.

    "none" is the plain autoencoder for as many epochs as the families get in all. "kmeans" fits scikit-learn's
    MiniBatchKMeans (Sculley 2010) for at most as many epochs, until it settles.
    """
    if name == "none":
        epochs = schedule.warm_up_epochs + schedule.epochs
        plain = Schedule(warm_up_epochs=epochs, epochs=0, batch=schedule.batch, learning_rate=schedule.learning_rate)
        return train([model], [frames], [validation], [seed], plain)[0]
    codes = model.quantizer.num_codes
    fitted = MiniBatchKMeans(
        codes, batch_size=KMEANS_BATCH, max_iter=schedule.epochs, n_init=1, random_state=seed, compute_labels=False
    ).fit(frames.cpu().numpy())
    centres = torch.from_numpy(fitted.cluster_centers_).to(frames)
    model.quantizer.codebook = centres  # type: ignore[misc]
    model.eval()
    with torch.no_grad():
        error = float(model.check(validation)[0])
    return History(validation=[error])
