import numpy as np
import pytest

import datasets
from datasets import registry
from datasets.base import Dataset
from datasets.sequences import Sequences


def test_the_catalogue_loads_by_name() -> None:
    assert datasets.names()[:3] == ["lorenz", "aist", "aist-standin"]
    assert datasets.parameters("lorenz")["window"] == 4
    with pytest.raises(ValueError, match=r"unknown dataset 'lorentz'; did you mean 'lorenz'\? registered: lorenz"):
        datasets.get("lorentz")
    with pytest.raises(ValueError, match="sequences"):
        datasets.load("lorenz", sequences=2)


def test_a_registered_dataset_loads_and_its_name_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_REGISTERED", {})

    @datasets.register("noise")
    class Noise(Dataset):
        width = 2
        train_frames = 20

        def load(self, seed: int) -> Sequences:
            values = np.random.default_rng(seed).normal(size=(3, 20, 3)).astype(np.float32)
            parts = {split: values[i : i + 1] for i, split in enumerate(datasets.SPLITS)}
            ones = np.ones(3, np.float32)
            return Sequences.build(
                "noise",
                real=False,
                standardised=parts,
                mean=0 * ones,
                scale=ones,
                width=2,
                points=np.array([[0, 1, 2]]),
            )

    sequences = datasets.load("noise", seed=1)
    assert sequences.frames["val"].shape == (1, 20, 2)
    assert sequences.width == 2
    assert 0 < sequences.notes["pca_variance_kept"] < 1
    assert any("stand-in" in line for line in Noise().check())
    with pytest.raises(ValueError, match="already registered"):
        datasets.register("noise")(type("Other", (Noise,), {}))


@pytest.mark.parametrize("name", ["", "a,b", "a.b", "all", " a"])
def test_a_name_that_the_command_line_cannot_say_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="Expected a dataset name"):
        datasets.register(name)


def test_parameters_that_cannot_be_set_by_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_REGISTERED", {})

    class Positional(Dataset):
        def __init__(self, size: int) -> None: ...

    class Seeded(Dataset):
        def __init__(self, *, seed: int = 0) -> None: ...

    class Abstract(Dataset): ...

    with pytest.raises(ValueError, match=r"subclass of datasets.Dataset, got <class 'int'>"):
        datasets.register("number")(int)
    with pytest.raises(ValueError, match="Abstract to define load, train_frames"):
        datasets.register("abstract")(Abstract)
    with pytest.raises(ValueError, match="keyword-only"):
        datasets.register("positional")(Positional)
    with pytest.raises(ValueError, match="seed"):
        datasets.register("seeded")(Seeded)
