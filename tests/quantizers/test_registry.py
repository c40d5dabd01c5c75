import sys
from collections.abc import Iterator

import pytest
import torch

import quantizers
from quantizers import LearnedCodebook
from quantizers import registry as families


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(families, "_FAMILIES", dict(families._FAMILIES))
    yield


@pytest.mark.parametrize(("wrong", "close"), [("vq-rest", "vq-reset"), ("somvq", "som-vq"), ("ksm", "ksom")])
def test_an_unknown_name_is_answered_with_the_closest(wrong: str, close: str) -> None:
    with pytest.raises(ValueError, match=rf"unknown quantizer '{wrong}'; did you mean '{close}'\?"):
        quantizers.create(wrong, num_codes=8, code_dim=2)


def test_a_name_like_none_is_answered_with_all() -> None:
    with pytest.raises(ValueError, match="unknown quantizer '123'; known: vq, vq-reset, som-hard, ksom"):
        quantizers.create("123", num_codes=8, code_dim=2)


def test_an_unknown_preset_is_answered_with_the_closest() -> None:
    with pytest.raises(ValueError, match=r"unknown preset 'papr' of 'ksom'; did you mean 'paper'\?"):
        quantizers.create("ksom:papr", num_codes=8, code_dim=2)
    with pytest.raises(ValueError, match="unknown preset 'paper' of 'vq'; it has none"):
        quantizers.create("vq:paper", num_codes=8, code_dim=2)


def test_an_unknown_parameter_is_answered_with_the_closest() -> None:
    with pytest.raises(ValueError, match=r"unknown parameter 'comitment' of 'vq'; did you mean 'commitment'\?"):
        quantizers.create("vq", num_codes=8, code_dim=2, comitment=1.0)
    with pytest.raises(ValueError, match=r"unknown parameter 'decay' of 'fsq'; .*known: levels, channels"):
        quantizers.create("fsq", num_codes=8, code_dim=2, decay=0.9)


@pytest.mark.parametrize(
    ("label", "parameters", "message"),
    [
        ("vq", {"decay": 1.0}, "0 <= decay < 1, got 1"),
        ("vq", {"smoothing": "laplace"}, "smoothing to be one of none, transient, persistent, got 'laplace'"),
        ("vq", {"initial_count": -1.0}, "initial_count"),
        ("vq", {"commitment": -0.1}, "commitment"),
        ("vq-reset", {"reset_threshold": 1.0}, "reset_threshold"),
        ("vq-reset", {"reset_window": 0.5}, "reset_window"),
        ("vq-vae", {"codebook_weight": -1.0}, "codebook_weight"),
        ("som-hard", {"rate": 1.0}, "rate"),
        ("som-hard", {"warm_up_share": 1.0}, "warm_up_share"),
        ("som-vq", {"commitment_rate": 1.5}, "commitment_rate"),
        ("som-vq", {"sigma": 0.0}, "sigma"),
        ("ksom", {"neighbourhood": "gausian"}, "none, hard, gaussian, exponential, got 'gausian'"),
        ("ksom", {"schedule": "steps"}, "sigma, tau, got 'steps'"),
        ("ksom", {"dimensions": 4}, "1 to 3 dimensions, got 4"),
        ("ksom", {"tau": -0.1}, "tau"),
        ("fsq", {"levels": (8, 2)}, "at least 3"),
        ("fsq", {"channels": 3}, "channels"),
    ],
)
def test_values_that_cannot_work_are_refused(label: str, parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quantizers.create(label, num_codes=16, code_dim=2, **parameters)


def test_parameters_override_a_preset_and_a_preset_the_defaults() -> None:
    family, values = quantizers.get("ksom:paper")
    assert family.name == "ksom"
    expected = {"neighbourhood": "hard", "dimensions": 2, "schedule": "tau", "tau": 0.1, "initial_count": 1.0}
    assert expected.items() <= values.items()
    built = quantizers.create("ksom:paper", num_codes=16, code_dim=2, tau=0.5)
    assert isinstance(built, quantizers.KSOM)
    assert (built.neighbourhood, built.schedule, built.tau) == ("hard", "tau", 0.5)


def test_presets_hold_the_published_and_the_fitted_values() -> None:
    _, som = quantizers.get("som-vq:paper")
    assert (som["rate"], som["sigma"], som["commitment_rate"]) == (0.005, 0.5, 0.1)
    _, vae = quantizers.get("vq-vae:paper")
    assert (vae["hidden"], vae["codebook_weight"], vae["decay"], vae["reset_threshold"]) == (512, 0.0, 0.99, 0.03)
    assert quantizers.get("fsq:2d")[1]["channels"] == 2


def test_the_defaults_are_those_of_the_protocol_or_of_tuning() -> None:
    _, vq = quantizers.get("vq")
    assert vq == {
        "decay": 0.967,
        "commitment": 1.9,
        "smoothing": "persistent",
        "initial_count": 1.0,
        "update_zero": True,
        "initialisation": "data",
    }
    _, reset = quantizers.get("vq-reset")
    assert (reset["decay"], reset["commitment"]) == (0.954, 1.1)
    assert (reset["reset_threshold"], reset["reset_window"]) == (0.031, 71.0)
    _, som = quantizers.get("som-vq")
    assert (som["warm_up_rate"], som["rate"], som["sigma"], som["sigma_end"]) == (0.1, 0.05, 1.0, 1.0)
    _, hard = quantizers.get("som-hard")
    assert (hard["rate"], hard["sigma_end"]) == (0.1, 0.5)
    _, ksom = quantizers.get("ksom")
    assert (ksom["decay"], ksom["neighbourhood"], ksom["dimensions"]) == (0.99, "gaussian", 2)
    assert (ksom["schedule"], ksom["sigma_end"]) == ("sigma", 0.1)
    _, vae = quantizers.get("vq-vae")
    assert (vae["codebook_weight"], vae["commitment"], vae["hidden"]) == (1.3, 0.88, 0)
    assert (vae["reset_threshold"], vae["reset_window"]) == (0.03, 33.0)


def test_the_warm_up_share_is_taken_by_the_maps_alone() -> None:
    for name in quantizers.families():
        built = quantizers.create(name, num_codes=16, code_dim=2)
        assert built.warm_up_share == pytest.approx(1 / 6 if name in ("som-hard", "som-vq") else 0)


def test_a_family_of_ones_own_can_be_registered_once(registry: None) -> None:
    class Own(quantizers.LearnedCodebook):
        def __init__(self, num_codes: int, code_dim: int, *, strength: float = 2.0) -> None:
            super().__init__(num_codes, code_dim, commitment=0.0)
            self.strength = strength

    assert quantizers.register("own", paper="here", presets={"weak": {"strength": 0.5}})(Own) is Own
    assert quantizers.families()["own"].parameters == {"strength": 2.0}
    built = quantizers.create("own:weak", num_codes=4, code_dim=2)
    assert isinstance(built, Own)
    assert built.strength == 0.5
    built.initialise(torch.eye(2))
    assert built.encode(torch.eye(2)).tolist() == [0, 1]
    with pytest.raises(ValueError, match="'own' is already registered"):
        quantizers.register("own")(Own)
    quantizers.families().clear()
    assert "own" in quantizers.families()


def test_a_class_that_is_no_quantizer_is_refused(registry: None) -> None:
    with pytest.raises(ValueError, match=r"subclass of quantizers\.Quantizer"):
        quantizers.register("other")(torch.nn.Linear)  # type: ignore[type-var]


@pytest.mark.parametrize("name", ["", "a:b", "a,b", "a=b", "a.b", " a", "a ", "all"])
def test_names_that_the_command_line_cannot_say_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="Expected a quantizer name"):
        quantizers.register(name)


def test_parameters_need_defaults_and_names_of_their_own(registry: None) -> None:
    class NoDefault(LearnedCodebook):
        def __init__(self, num_codes: int, code_dim: int, *, rate: float) -> None: ...

    class Reserved(LearnedCodebook):
        def __init__(self, *, num_codes: int = 1, code_dim: int = 1) -> None: ...

    class Positional(LearnedCodebook):
        def __init__(self, num_codes: int, code_dim: int, rate: float = 0.1) -> None: ...

    with pytest.raises(ValueError, match="to take rate by keyword only, after a"):
        quantizers.register("other")(Positional)
    with pytest.raises(ValueError, match="parameter rate of NoDefault to have a default"):
        quantizers.register("other")(NoDefault)
    with pytest.raises(ValueError, match="to take num_codes by position"):
        quantizers.register("other")(Reserved)


def test_an_empty_preset_is_none() -> None:
    with pytest.raises(ValueError, match="unknown preset ''"):
        quantizers.get("vq:")


def test_a_class_that_cannot_be_called_as_a_quantizer_is_refused(registry: None) -> None:
    class Abstract(quantizers.Quantizer): ...

    class Short(LearnedCodebook):
        def __init__(self, num_codes: int, code_dim: int) -> None: ...

        def update(self, z: torch.Tensor, codes: torch.Tensor) -> None: ...  # type: ignore[override]

    class NoSizes(LearnedCodebook):
        def __init__(self) -> None: ...

    with pytest.raises(ValueError, match="Abstract to define codebook, encode, forward, initialise"):
        quantizers.register("other")(Abstract)
    with pytest.raises(
        ValueError, match=r"Expected Short.update\(self, z, codes, progress\), got Short.update\(self, z"
    ):
        quantizers.register("other")(Short)
    with pytest.raises(ValueError, match=r"Expected NoSizes.__init__\(self, num_codes, code_dim\)"):
        quantizers.register("other")(NoSizes)
    assert "other" not in quantizers.names()


def test_without_the_package_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vector_quantize_pytorch", None)
    with pytest.raises(ValueError, match="pip install vector-quantize-pytorch"):
        quantizers.create("vqt-vq", num_codes=8, code_dim=2)


def test_peers_are_known_but_not_part_of_all() -> None:
    assert {"vqt-vq", "vqt-rvq", "vqt-simvq", "vqt-fsq", "vqt-lfq"} <= set(quantizers.names())
    assert not any(name.startswith("vqt") for name in quantizers.families())


def test_groups_stand_for_families() -> None:
    assert quantizers.group("all") == list(quantizers.families())
    assert quantizers.group("maps") == ["som-hard", "ksom", "som-vq", "som-vae"]
    assert quantizers.group("lattices") == ["fsq", "lfq"]
    assert quantizers.group("products") == ["pq", "rvq"]
    assert {"lfq", *quantizers.families()} <= set(quantizers.group("everything"))
    for name in quantizers.group("maps"):
        built = quantizers.create(name, num_codes=16, code_dim=2)
        assert built.positions is not None
    for name in quantizers.group("lattices"):
        assert quantizers.create(name, num_codes=16, code_dim=2).codebook_values == 0


def test_a_family_that_needs_what_is_not_here_is_not_part_of_everything(registry: None) -> None:
    quantizers.register("needy", requires="no-such-distribution")(quantizers.VQ)
    assert "needy" not in quantizers.group("everything")
    assert "needy" in quantizers.names()


def test_unknown_groups_and_names_of_groups_are_refused(registry: None) -> None:
    with pytest.raises(ValueError, match="unknown group 'mops'; did you mean 'maps'"):
        quantizers.group("mops")
    with pytest.raises(ValueError, match="unknown group 'mops' of 'own'"):
        quantizers.register("own", groups=("mops",))(quantizers.VQ)
    with pytest.raises(ValueError, match="none of all, maps, lattices, products, everything, got 'maps'"):
        quantizers.register("maps")(quantizers.VQ)
