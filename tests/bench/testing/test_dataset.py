"""Every check of the suite fails for the dataset that breaks its promise, and says what to change."""

import dataclasses
from typing import Any
from unittest import SkipTest

import numpy as np
import pytest

import datasets
from bench.testing import DatasetTestCase
from datasets import SPLITS, Dataset, Sequences, registry

COUNTS = {"train": 5, "val": 2, "test": 3}


class Sound(Dataset):
    """Random walks.

    Args:
        steps: Frames of a walk.
    """

    width = 2
    train_frames = 200
    parts: dict[str, Any]

    def __init__(self, *, steps: int = 40) -> None:
        self.steps = steps

    def raw(self, seed: int) -> dict[str, np.ndarray]:
        generator = np.random.default_rng(seed)
        return {
            split: generator.normal(size=(count, self.steps, 3)).cumsum(axis=1) + generator.normal(size=(count, 1, 3))
            for split, count in COUNTS.items()
        }

    def fitted_on(self, raw: dict[str, np.ndarray]) -> np.ndarray:
        return raw["train"].reshape(-1, 3)

    def load(self, seed: int) -> Sequences:
        raw = self.raw(seed)
        fitted = self.fitted_on(raw)
        mean, scale = fitted.mean(axis=0), fitted.std(axis=0)
        return Sequences.build(
            "sound",
            real=self.real,
            standardised={split: ((raw[split] - mean) / scale).astype(np.float32) for split in SPLITS},
            mean=mean.astype(np.float32),
            scale=scale.astype(np.float32),
            width=2,
            points=np.array([[0, 1, 2]]),
        )


def changed(**changes: Any) -> type[Sound]:
    """A dataset whose sequences come with other values, each made of the sound ones."""

    class Changed(Sound):
        def load(self, seed: int) -> Sequences:
            data = super().load(seed)
            return dataclasses.replace(data, **{name: change(data) for name, change in changes.items()})

    return Changed


def with_gap(data: Sequences) -> dict[str, np.ndarray]:
    frames = {split: array.copy() for split, array in data.frames.items()}
    frames["val"][0, 3] = np.nan
    return frames


def overlapping(data: Sequences) -> dict[str, np.ndarray]:
    """Test's second sequence is the train split's fourth, ten frames later."""
    parts = {split: array.copy() for split, array in data.standardised.items()}
    parts["test"][1, :-10] = parts["train"][3, 10:]
    return parts


class OtherTrainFrames(Sound):
    train_frames = 7


class OtherWidth(Sound):
    width = 3


class FitsAll(Sound):
    def fitted_on(self, raw: dict[str, np.ndarray]) -> np.ndarray:
        return np.concatenate([part.reshape(-1, 3) for part in raw.values()])


class FitsTooWide(Sound):
    def fitted_on(self, raw: dict[str, np.ndarray]) -> np.ndarray:
        return raw["train"].reshape(-1, 3) * 100 - 99 * raw["train"].mean(axis=(0, 1))


class NeverTheSame(Sound):
    calls = 0

    def raw(self, seed: int) -> dict[str, np.ndarray]:
        type(self).calls += 1
        return super().raw(self.calls)


class AlwaysTheSame(Sound):
    def raw(self, seed: int) -> dict[str, np.ndarray]:
        return super().raw(0)


class DrawsGlobally(Sound):
    def raw(self, seed: int) -> dict[str, np.ndarray]:
        np.random.random()  # noqa: NPY002
        return super().raw(seed)


class Undocumented(Sound):
    def __init__(self, *, steps: int = 40, noise: float = 0.0) -> None:
        super().__init__(steps=steps)


class TellsArrays(Sound):
    def recipe(self) -> dict[str, Any]:
        return {"files": np.zeros(2)}


class UnknownStandIn(Sound):
    stand_in = "no-such-dataset"


BROKEN: dict[str, tuple[type[Sound], str]] = {
    "shapes_and_types": (
        changed(frames=lambda data: {split: array.astype(float) for split, array in data.frames.items()}),
        "got float64 (5, 40, 2); write .astype(np.float32)",
    ),
    "shapes_and_types ": (OtherTrainFrames, "Expected train_frames to be 200, as loaded, got 7"),
    "shapes_and_types  ": (OtherWidth, "Expected frames of width 3, as the class says, got 2; set self.width"),
    "shapes_and_types   ": (
        changed(points=lambda data: np.array([[0, 3]])),
        "Expected points (P, c) of indices below 3, got [[0, 3]]",
    ),
    "values_are_finite": (changed(frames=with_gap), "Expected finite frames, got 1.2% of val that is not; fill gaps"),
    "splits_share_no_sequence": (
        changed(standardised=overlapping),
        "got 23 runs of up to 8 equal frames in both train and test; assign whole sequences",
    ),
    "a_seed_gives_the_same_data_and_another_seed_others": (
        NeverTheSame,
        "Expected the same train frames from the same",
    ),
    "a_seed_gives_the_same_data_and_another_seed_others ": (AlwaysTheSame, "Expected other frames from another seed"),
    "the_content_hash_is_stable": (NeverTheSame, "Expected the same content hash for the same seed"),
    "global_generators_are_left_alone": (DrawsGlobally, "use datasets.base.stream(seed, number)"),
    "standardised_on_the_train_split_alone": (FitsAll, "fit mean and scale on the train split alone"),
    "standardised_on_the_train_split_alone ": (
        FitsTooWide,
        "Expected z-scores, got a standard deviation of the train split that is 0.99 off 1",
    ),
    "standardised_on_the_train_split_alone  ": (
        changed(transform=lambda data: dataclasses.replace(data.transform, centre=data.transform.centre + 1)),
        "Expected the PCA to be centred on the train split, got 1 off",
    ),
    "the_inverse_undoes_the_transform": (
        changed(frames=lambda data: {split: 2 * array for split, array in data.frames.items()}),
        "Expected frames to be transform.project(standardised), got differences up to",
    ),
    "the_inverse_undoes_the_transform ": (
        changed(transform=lambda data: dataclasses.replace(data.transform, components=2 * data.transform.components)),
        "got differences up to",
    ),
    "what_it_tells_fits_into_records": (TellsArrays, "Expected recipe() to be finite numbers, text, lists and dicts"),
    "what_it_tells_fits_into_records ": (UnknownStandIn, "Expected the stand-in 'no-such-dataset' to be registered"),
    "what_it_tells_fits_into_records  ": (changed(real=lambda data: False), "Expected Sequences.real to be True, as"),
    "parameters_are_documented": (Undocumented, "add 'noise: ...' under 'Args:'"),
}


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The suite of a class that is registered for the while."""
    monkeypatch.setattr(registry, "_REGISTERED", {})

    def of(cls: type[Dataset]) -> DatasetTestCase:
        datasets.register("broken")(cls)
        return type("Case", (DatasetTestCase,), {"name": "broken"})()

    return of


@pytest.mark.parametrize("check", BROKEN)
def test_a_broken_promise_is_told_with_what_to_change(case: Any, check: str) -> None:
    cls, message = BROKEN[check]
    with pytest.raises(AssertionError) as raised:
        getattr(case(cls), f"test_{check.strip()}")()
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_sound_dataset_passes_every_check_and_every_check_is_broken_by_someone(case: Any) -> None:
    subject = case(Sound)
    checks = [name for name in dir(subject) if name.startswith("test_")]
    for name in checks:
        getattr(subject, name)()
    assert {name.removeprefix("test_") for name in checks} == {name.strip() for name in BROKEN}


def test_frames_in_which_nothing_moves_may_be_equal(case: Any) -> None:
    def still(data: Sequences) -> dict[str, np.ndarray]:
        parts = {split: array.copy() for split, array in data.standardised.items()}
        for part in parts.values():
            part[0] = 0.5
        return parts

    case(changed(standardised=still)).test_splits_share_no_sequence()


def test_what_is_not_on_the_machine_is_skipped_with_how_to_get_it(case: Any) -> None:
    class Absent(Sound):
        def missing(self) -> str | None:
            return "fetch it first"

    with pytest.raises(SkipTest, match="fetch it first"):
        case(Absent).test_shapes_and_types()
