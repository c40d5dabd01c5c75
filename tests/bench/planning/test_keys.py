import pytest

import quantizers
from bench.planning import keys
from quantizers import registry


def test_the_version_of_what_a_family_requires_is_part_of_its_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "_FAMILIES", dict(registry._FAMILIES))
    installed = {"some-library": "1.0"}
    monkeypatch.setattr(keys.metadata, "version", installed.__getitem__)

    @quantizers.register("needy", requires="some-library")
    class Needy(quantizers.VQ): ...

    before = keys.training_code("needy", "lorenz")
    assert before["some-library"] == "1.0"
    installed["some-library"] = "1.1"
    assert keys.training_code("needy", "lorenz") == before | {"some-library": "1.1"}
    assert keys.training_code("vq", "lorenz").keys() == {"family", "data"}
    assert "needy" in quantizers.names()
    assert "needy" not in quantizers.families()
