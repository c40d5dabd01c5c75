"""Our own datasets keep the contract that `bench test` checks of anybody's."""

from pathlib import Path

import numpy as np
import pytest

import datasets
from bench.testing import DatasetTestCase


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "walks.npz"
    np.savez(path, np.random.default_rng(0).normal(size=(20, 32, 3)).cumsum(axis=1))
    return path


class TestOurs(DatasetTestCase):
    @pytest.fixture(params=[name for name in datasets.names() if name != "aist"], autouse=True)
    def _named(self, request: pytest.FixtureRequest, walks: Path) -> None:
        self.name = f"npz:{walks}" if request.param == "npz" else request.param
