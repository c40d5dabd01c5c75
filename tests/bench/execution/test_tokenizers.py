"""Frames that the tokenizers of all seeds encode."""

import pytest
import torch

import datasets
from bench.execution.tokenizers import TokenizerStore
from bench.planning.protocol import TINY
from bench.records.store import Store
from tests.builders import cell

PARAMETERS = {"sequences": 12}


@pytest.fixture
def tokenizers(tmp_path):
    return TokenizerStore(Store(tmp_path / "run"), "cpu", TINY)


def test_common_frames_are_the_same_in_the_unit_of_the_data(tokenizers):
    units = []
    for seed in (0, 1):
        of_seed = cell("key", dataset_parameters=PARAMETERS, data_seed=seed)
        data = tokenizers.data(of_seed)
        units.append(data.inverse(tokenizers.common_frames(of_seed).numpy()))
    common = datasets.load("lorenz", seed=datasets.COMMON, **PARAMETERS).in_units("test")
    for values in units:
        # Both lose what their eight principal components drop, a small part of the variance.
        assert values.reshape(common.shape) == pytest.approx(common, abs=0.2 * common.std())


def test_a_seed_projects_its_own_frames_as_its_data_have_them(tokenizers):
    of_common = cell("key", dataset_parameters=PARAMETERS, data_seed=datasets.COMMON)
    frames = tokenizers.data(of_common).frames["test"]
    assert torch.allclose(tokenizers.common_frames(of_common), torch.from_numpy(frames).flatten(0, 1), atol=1e-4)
