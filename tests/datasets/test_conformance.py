"""Our own datasets keep the contract that `bench test` checks of anybody's."""

import pytest

import datasets
from bench.testing import DatasetTestCase


class TestOurs(DatasetTestCase):
    @pytest.fixture(params=[name for name in datasets.names() if name != "aist"], autouse=True)
    def _named(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param
