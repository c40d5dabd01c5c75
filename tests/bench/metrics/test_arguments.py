"""What the public metrics take: every real type and layout gives what float64 gives, everything else is named."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics import (
    continuity,
    grid_correlation,
    rate_excess,
    topographic_error,
    topographic_product,
    trustworthiness,
)
from bench.metrics.arguments import count, indices, lattice, numbers
from bench.metrics.learnability.ngram import Trigram, ngram_bits
from bench.metrics.reconstruction import explained_share, mean_point_error, mean_squared_error
from bench.metrics.topology.distortion import adjacent_pairs, code_distances, distortion_ratio
from bench.metrics.topology.grid_step import grid_step

GRID = np.stack(np.meshgrid(np.arange(4), np.arange(5), indexing="ij"), axis=-1).reshape(-1, 2)
CODES = len(GRID)
FRAMES = 60

# Metric -> arguments that are points in space, codes and positions.
METRICS = {
    "trustworthiness": (lambda a: trustworthiness(a["points"], a["codes"], a["vectors"], 7), "points codes vectors"),
    "continuity": (lambda a: continuity(a["points"], a["codes"], a["vectors"], 7), "points codes vectors"),
    "topographic_error": (
        lambda a: topographic_error(a["points"], a["vectors"], a["positions"]),
        "points vectors positions",
    ),
    "topographic_error of used": (
        lambda a: topographic_error(a["points"], a["vectors"], a["positions"], a["used"]),
        "used points vectors positions",
    ),
    "topographic_product": (lambda a: topographic_product(a["vectors"], a["positions"]), "vectors positions"),
    "grid_correlation": (lambda a: grid_correlation(a["vectors"], a["positions"]), "vectors positions"),
    "distortion_ratio": (lambda a: distortion_ratio(a["vectors"], a["positions"]), "vectors positions"),
    "code_distances": (lambda a: code_distances(a["vectors"], a["positions"]), "vectors positions"),
    "grid_step": (lambda a: grid_step(a["tokens"], a["positions"]), "tokens positions"),
    "ngram_bits": (lambda a: ngram_bits(a["tokens"], a["tokens"], CODES), "tokens"),
    "rate_excess": (lambda a: rate_excess(a["explained"], a["bits"], a["curve"]), "explained bits curve"),
    "mean_squared_error": (lambda a: mean_squared_error(a["actual"], a["decoded"]), "actual decoded"),
    "explained_share": (lambda a: explained_share(a["actual"], a["decoded"]), "actual decoded"),
    "mean_point_error": (lambda a: mean_point_error(a["actual"], a["decoded"], [[0, 1]]), "actual decoded"),
}
INTEGERS = ("codes", "tokens", "used")
PAIRS = [(metric, name) for metric, (_, names) in METRICS.items() for name in names.split()]


def arguments(seed=0):
    """Small integers in every place, so that each type that holds 0 to 19 holds them exactly."""
    generator = np.random.default_rng(seed)
    return {
        "points": generator.integers(0, 20, size=(FRAMES, 2)),
        "vectors": generator.integers(0, 20, size=(CODES, 2)),
        "positions": GRID,
        "codes": generator.integers(CODES, size=FRAMES),
        "tokens": generator.integers(CODES, size=(3, 30)),
        "used": generator.choice(CODES, 12, replace=False),
        "actual": generator.integers(0, 20, size=(4, 6, 2)),
        "decoded": generator.integers(0, 20, size=(4, 6, 2)),
        "explained": np.array(0),
        "bits": np.array(5),
        "curve": np.array([[-1, 2], [0, 4], [1, 9]]),
    }


def exact(values):
    return {name: value.astype(np.int64 if name in INTEGERS else np.float64) for name, value in values.items()}


LAYOUTS = {
    "as it is": lambda array: array,
    "fortran": np.asfortranarray,
    "strided": lambda array: np.repeat(array, 2, axis=0)[::2] if array.ndim else array,
    "backwards": lambda array: array[::-1].copy()[::-1] if array.ndim else array,
    "list": lambda array: array.tolist(),
    "tensor": lambda array: torch.tensor(array.astype(array.dtype.newbyteorder("="))),
}
TYPES = ["u1", "i1", "<u2", ">u2", ">i4", "<u4", "<u8", ">i8", "<f2", ">f2", ">f4", ">f8", "longdouble"]


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    seed=st.integers(0, 1000),
    metric=st.sampled_from(sorted(METRICS)),
    layout=st.sampled_from(sorted(LAYOUTS)),
    kinds=st.lists(st.sampled_from(TYPES), min_size=11, max_size=11),
)
def test_every_real_type_and_layout_gives_what_float64_gives(seed, metric, layout, kinds):
    measure, names = METRICS[metric]
    plain = arguments(seed)
    expected = measure(exact(plain))
    given_ = {}
    for name, kind in zip(plain, kinds, strict=True):
        kind = np.dtype(kind)
        if (name in INTEGERS and kind.kind == "f") or (name == "curve" and kind.kind == "u"):
            kind = np.dtype("i1")
        if layout == "tensor" and kind == np.dtype("longdouble"):
            kind = np.dtype("f8")
        array = LAYOUTS[layout](plain[name].astype(kind))
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
        given_[name] = array
    assert measure({name: given_[name] for name in names.split()}) == expected


def test_a_memory_map_is_an_array(tmp_path):
    values = arguments()
    for name, array in values.items():
        np.save(tmp_path / f"{name}.npy", array)
    mapped = {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in values}
    for measure, names in METRICS.values():
        assert measure({name: mapped[name] for name in names.split()}) == measure(exact(values))


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.uint8, torch.uint16, torch.int8])
def test_tensors_of_types_that_numpy_has_not_and_of_gradients(kind):
    values = arguments()
    points = torch.tensor(values["points"]).to(kind)
    vectors = torch.tensor(values["vectors"], dtype=torch.float32, requires_grad=True)
    assert topographic_error(points, vectors, torch.tensor(GRID).to(torch.uint8)) == METRICS["topographic_error"][0](
        exact(values)
    )
    assert trustworthiness(points, values["codes"], vectors, 7) == METRICS["trustworthiness"][0](exact(values))


@pytest.mark.parametrize(("metric", "name"), [pair for pair in PAIRS if pair[1] not in INTEGERS])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e200])
def test_what_is_not_finite_is_named_with_its_place(metric, name, wrong):
    measure, _ = METRICS[metric]
    values = arguments()
    changed = values[name].astype(np.float64)
    place = tuple(size - 1 for size in changed.shape)
    changed[place] = wrong
    where = rf"{name}\[{', '.join(map(str, place))}\] = " if place else f"{name} = "
    for given_ in (changed, torch.tensor(changed), changed.astype(np.longdouble)):
        with pytest.raises(ValueError, match=f"^expected .*{name}.*{where}"):
            measure(values | {name: given_})


@pytest.mark.parametrize(("metric", "name"), PAIRS)
@pytest.mark.parametrize(
    "make",
    [
        lambda array: array.astype(bool),
        lambda array: array.astype(complex),
        lambda array: array.astype(object),
        lambda array: array.astype(str),
        lambda array: array.astype("datetime64[s]"),
        lambda array: array[:0] if array.ndim else np.zeros(0),
        lambda array: np.ma.array(array, mask=np.ones(array.shape, dtype=bool)),
        lambda array: torch.tensor(array).bool(),
        lambda array: torch.tensor(array).to(torch.complex64),
        lambda array: [[1, 2], [3]],
    ],
)
def test_what_is_no_array_of_real_numbers_is_named(metric, name, make):
    measure, _ = METRICS[metric]
    values = arguments()
    with pytest.raises(ValueError, match=f"^expected .*{name}"):
        measure(values | {name: make(values[name])})


@pytest.mark.parametrize(("metric", "name"), [pair for pair in PAIRS if pair[1] in INTEGERS])
@pytest.mark.parametrize("kind", ["i1", "u1", ">i8", "u8"])
def test_codes_out_of_range_are_named_with_their_place(metric, name, kind):
    measure, _ = METRICS[metric]
    values = arguments()
    for wrong in (CODES, 100, -1) if np.dtype(kind).kind == "i" else (CODES, 255):
        changed = values[name].astype(kind)
        place = tuple(size - 1 for size in changed.shape)
        changed[place] = wrong
        where = ", ".join(map(str, place))
        with pytest.raises(ValueError, match=rf"{name} in 0 \.\. 19, .*{name}\[{where}\] = {wrong}\)"):
            measure(values | {name: changed})
    with pytest.raises(ValueError, match=f"integer {name}, got float64"):
        measure(values | {name: values[name].astype(float)})


def test_codes_beyond_int64_do_not_wrap_around():
    with pytest.raises(ValueError, match=r"codes\[1\] = 18446744073709551615"):
        indices("codes", np.array([0, 2**64 - 1], dtype=np.uint64), 4)


@pytest.mark.parametrize("metric", [metric for metric, name in PAIRS if name == "positions"])
def test_positions_between_places_are_named(metric):
    measure, _ = METRICS[metric]
    for wrong in (0.5, 2.0**25):
        changed = GRID.astype(float)
        changed[7, 1] = wrong
        with pytest.raises(ValueError, match=rf"whole numbers .* positions\[7, 1\] = {wrong}"):
            measure(arguments() | {"positions": changed})


@pytest.mark.parametrize(("metric", "name"), [pair for pair in PAIRS if pair[1] not in ("explained", "bits", "used")])
def test_wrong_lengths_and_dimensions_are_refused(metric, name):
    measure, names = METRICS[metric]
    values = arguments()
    wrong = [values[name][..., None], values[name].reshape(-1)[0]]
    if name in ("codes", "positions", "actual", "decoded") and name != names:
        wrong.append(values[name][1:])
    for given_ in wrong:
        with pytest.raises(ValueError, match=r"^expected "):
            measure(values | {name: given_})


@pytest.mark.parametrize("k", [True, 2.0, "2", None])
def test_k_is_an_integer(k):
    values = arguments()
    with pytest.raises(ValueError, match="expected k to be an integer"):
        trustworthiness(values["points"], values["codes"], values["vectors"], k)


def test_k_of_a_narrow_type_does_not_wrap_around():
    values = arguments()
    actual = [trustworthiness(values["points"], values["codes"], values["vectors"], k) for k in (7, np.uint8(7))]
    assert actual[0] == actual[1]
    assert type(count("k", np.int8(7))) is int


def test_codes_on_one_position_are_refused_or_blank():
    values = arguments()
    with pytest.raises(ValueError, match="distinct positions"):
        topographic_product(values["vectors"], np.zeros_like(GRID))
    assert grid_step(values["tokens"], np.zeros_like(GRID)) is None


def test_a_lattice_of_many_axes_has_all_its_neighbours():
    """64 axes: the cells of their bounding box have no number of 64 bits."""
    places = np.concatenate([np.zeros((1, 64), dtype=np.int64), np.eye(64, dtype=np.int64)])
    assert {tuple(sorted(pair)) for pair in adjacent_pairs(places).tolist()} == {(0, code) for code in range(1, 65)}


def test_the_smallest_int8_has_an_absolute_value():
    assert numbers("points", np.array([-128], dtype=np.int8)) ** 2 == [16384.0]
    assert lattice("positions", np.array([[-128, 127]], dtype=np.int8)).tolist() == [[-128, 127]]


def test_a_trigram_refuses_histories_and_tokens_that_do_not_fit():
    model = Trigram([[0, 1, 0, 1]], 2)
    with pytest.raises(ValueError, match=r"expected history .* got \(1, 3\) and \(1,\)"):
        model.probability([[0, 1, 0]], [1])
    with pytest.raises(ValueError, match=r"token\[0\] = 2"):
        model.probability([[0]], [2])
    assert model.probability(np.zeros((1, 0), dtype=np.int64), np.array([1], dtype=np.uint8)).shape == (1,)


@pytest.mark.parametrize("size", [1e-200, 5e-324, -1e-160])
def test_numbers_whose_squares_would_vanish_are_refused(size):
    with pytest.raises(ValueError, match=r"expected points of 1e-150 or more in size, got at most .* use another unit"):
        numbers("points", np.array([0.0, size]))
    assert numbers("points", np.array([size, 1.0])).tolist() == [size, 1.0]
    assert numbers("points", np.zeros(3)).tolist() == [0, 0, 0]
