"""The conformance suite of a dataset."""

from itertools import combinations
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import datasets
from bench.testing.checks import expect, expect_documented, expect_json, skip
from datasets import SPLITS, Dataset, Sequences

RUN = 8  # frames in a row by which a sequence is known again


class DatasetTestCase:
    """Conformance suite of datasets: every method that begins with `test_` checks one promise.

    Inherit it in a class whose name begins with `Test`, set `name`, and let pytest run it.

    Attributes:
        name: Registered name; for a file of your own npz:PATH.
        parameters: Values that replace its defaults. One that takes `sequences` is tested with 12 unless told.
    """

    name: str = ""
    parameters: ClassVar[dict[str, Any]] = {}
    _loaded: ClassVar[dict[tuple[type, str, int], Sequences]] = {}

    def create(self) -> Dataset:
        """The dataset, as small as it can be told to be; where its data are absent, the check is left out."""
        expect(bool(self.name), f"Expected {type(self).__name__} to name its dataset, got none; set name = 'name'.")
        few = {"sequences": 12} if "sequences" in datasets.parameters(self.name) else {}
        dataset = datasets.create(self.name, **(few | self.parameters))
        reason = dataset.missing()
        if reason:
            skip(reason)
        dataset.settled()
        return dataset

    def load(self, seed: int = 0) -> Sequences:
        """The sequences of a seed; loaded once."""
        key = type(self), self.name, seed
        if key not in self._loaded:
            self._loaded[key] = self.create().load(seed)
        return self._loaded[key]

    def test_shapes_and_types(self) -> None:
        """Float32 (n_sequences, time, width), every split of the same width."""
        dataset, data = self.create(), self.load()
        for kind, arrays in (("frames", data.frames), ("standardised", data.standardised)):
            expect(set(arrays) == set(SPLITS), f"Expected {kind} of {', '.join(SPLITS)}, got {', '.join(arrays)}.")
            for split, array in arrays.items():
                expect(
                    array.ndim == 3 and min(array.shape) > 0 and array.dtype == np.float32,
                    f"Expected {kind} of {split} as float32 (n_sequences, time, features), none of them 0, got "
                    f"{array.dtype} {array.shape}; write .astype(np.float32).",
                )
            last = sorted({array.shape[2] for array in arrays.values()})
            expect(len(last) == 1, f"Expected as many features in every split of {kind}, got {last}.")
        expect(
            data.width == dataset.width,
            f"Expected frames of width {dataset.width}, as the class says, got {data.width}; set self.width.",
        )
        count = data.frames["train"].shape[0] * data.frames["train"].shape[1]
        expect(
            dataset.train_frames == count,
            f"Expected train_frames to be {count}, as loaded, got {dataset.train_frames}.",
        )
        features = data.standardised["train"].shape[2]
        expect(
            data.points.ndim == 2 and data.points.size > 0 and 0 <= data.points.min() <= data.points.max() < features,
            f"Expected points (P, c) of indices below {features}, got {data.points.tolist()}.",
        )

    def test_values_are_finite(self) -> None:
        """No NaN of a gap or of a division by 0."""
        data = self.load()
        for kind, arrays in (("frames", data.frames), ("standardised", data.standardised)):
            for split, array in arrays.items():
                share = 1 - np.isfinite(array).mean()
                expect(
                    share == 0,
                    f"Expected finite {kind}, got {share:.1%} of {split} that is not; fill gaps, and give a feature "
                    "that does not vary the scale 1.",
                )

    def test_splits_share_no_sequence(self) -> None:
        """Split by sequence: a run of frames that is in two splits was cut out of one sequence."""
        parts = [self.load().standardised[split] for split in SPLITS]
        frames = np.concatenate([part.reshape(-1, part.shape[2]) for part in parts])
        numbers = np.unique(frames, axis=0, return_inverse=True)[1].ravel()
        ends = np.cumsum([part.shape[0] * part.shape[1] for part in parts])[:-1]
        runs = {
            split: _runs(numbered.reshape(part.shape[:2]))
            for split, part, numbered in zip(SPLITS, parts, np.split(numbers, ends), strict=True)
        }
        for one, other in combinations(SPLITS, 2):
            shared = len(runs[one] & runs[other])
            expect(
                not shared,
                f"Expected no sequence in two splits, got {shared} runs of up to {RUN} equal frames in both {one} "
                f"and {other}; assign whole sequences to splits before cutting windows.",
            )

    def test_a_seed_gives_the_same_data_and_another_seed_others(self) -> None:
        """So that families see the same data and seeds tell how much the data matter."""
        fresh = self.create().load(0)
        for split in SPLITS:
            expect(
                np.array_equal(fresh.frames[split], self.load().frames[split]),
                f"Expected the same {split} frames from the same seed, got others; draw everything from "
                "datasets.base.stream(seed, number).",
            )
        expect(
            self.load(1).content_hash() != self.load().content_hash(),
            "Expected other frames from another seed, got the same; draw or split by the seed.",
        )

    def test_the_content_hash_is_stable(self) -> None:
        """It is recorded with every result."""
        first, again = self.load().content_hash(), self.create().load(0).content_hash()
        expect(first == again, f"Expected the same content hash for the same seed, got {first} and {again}.")

    def test_global_generators_are_left_alone(self) -> None:
        """Loading does not draw from global generators, which would change the draws of other code."""
        before = np.random.get_state(legacy=False)  # noqa: NPY002
        self.create().load(0)
        after = np.random.get_state(legacy=False)  # noqa: NPY002
        expect(
            all(np.array_equal(before["state"][part], after["state"][part]) for part in before["state"]),
            "Expected no draws from numpy's global generator, got some; use datasets.base.stream(seed, number).",
        )

    def test_standardised_on_the_train_split_alone(self) -> None:
        """Validation and test data must not have been looked at."""
        data = self.load()
        flat = {
            split: array.reshape(-1, array.shape[2]).astype(np.float64) for split, array in data.standardised.items()
        }
        varies = flat["train"].std(axis=0) > 1e-6
        everything = np.concatenate([*flat.values()])
        for what, train, pooled, wanted in (
            ("mean", flat["train"].mean(axis=0), everything.mean(axis=0), 0.0),
            ("standard deviation", flat["train"].std(axis=0), everything.std(axis=0), 1.0),
        ):
            train_error, other = (float(np.abs(value - wanted)[varies].mean()) for value in (train, pooled))
            expect(
                train_error < 0.5,
                f"Expected z-scores, got a {what} of the train split that is {train_error:.3g} off {wanted:g}.",
            )
            expect(
                train_error <= max(other, 1e-3),
                f"Expected the {what} of the standardised train split to be nearest to {wanted:g}, got "
                f"{train_error:.3g} off where all splits together are {other:.3g} off; fit mean and scale on the "
                "train split alone.",
            )
        centre = np.abs(data.transform.centre - flat["train"].mean(axis=0)).max()
        expect(
            centre < 1e-3,
            f"Expected the PCA to be centred on the train split, got {centre:.3g} off; use Sequences.build.",
        )

    def test_the_inverse_undoes_the_transform(self) -> None:
        """Frames -> data units, but for what the PCA dropped."""
        data = self.load()
        transform, frames = data.transform, data.frames["test"]
        projected = transform.project(data.standardised["test"])
        _expect_close("frames", frames, projected, "transform.project(standardised)")
        expanded = transform.expand(frames)
        _expect_close("project(expand(frames))", transform.project(expanded), frames, "frames")
        units = (data.inverse(frames) - transform.mean) / transform.scale
        _expect_close("(inverse(frames) - mean) / scale", units, expanded, "expand(frames)")
        lost = float(((expanded - data.standardised["test"]) ** 2).mean())
        spread = float(data.standardised["test"].var())
        expect(
            lost < spread,
            f"Expected expand(frames) to be near the standardised features, got a mean squared error of {lost:.3g} "
            f"where their variance is {spread:.3g}.",
        )

    def test_what_it_tells_fits_into_records(self) -> None:
        """Keys and records are JSON; a stand-in has to be told from real data."""
        dataset, data = self.create(), self.load()
        expect_json("recipe()", dataset.recipe())
        expect_json("notes", dict(data.notes))
        expect_json("the parameters' defaults", datasets.parameters(self.name))
        expect(
            data.real == dataset.real,
            f"Expected Sequences.real to be {dataset.real}, as the class says, got {data.real}.",
        )
        expect(
            dataset.stand_in is None or dataset.stand_in in datasets.names(),
            f"Expected the stand-in {dataset.stand_in!r} to be registered, got {', '.join(datasets.names())}.",
        )

    def test_parameters_are_documented(self) -> None:
        """The docstring describes every parameter that `bench list datasets` names."""
        expect_documented(datasets.get(self.name), datasets.parameters(self.name))


def _runs(numbers: NDArray[np.int64]) -> set[bytes]:
    """Every run of frames in sequences (n, time) of frame numbers, without those in which nothing moves."""
    length = min(RUN, numbers.shape[1])
    windows = np.lib.stride_tricks.sliding_window_view(numbers, length, axis=1).reshape(-1, length)
    moving = windows[(windows != windows[:, :1]).any(axis=1)] if length > 1 else windows
    return {run.tobytes() for run in moving}


def _expect_close(name: str, values: NDArray[Any], wanted: NDArray[Any], what: str) -> None:
    difference = float(np.abs(values - wanted).max())
    expect(
        difference < 1e-3 * float(1 + np.abs(wanted).max()),
        f"Expected {name} to be {what}, got differences up to {difference:.3g}; use Sequences.build.",
    )
