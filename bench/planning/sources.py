"""Datasets as a run uses them."""

from collections.abc import Sequence
from dataclasses import dataclass

import datasets
from bench.errors import UsageError
from bench.planning.cells import telling
from bench.planning.keys import JSON
from bench.planning.protocol import Protocol
from bench.plugins.guard import guarded


def _with_stand_ins(names: Sequence[str]) -> set[str]:
    """Datasets, and what runs in their place where they are absent."""
    return {*names, *(datasets.get(name).stand_in or name for name in names)}


@dataclass(frozen=True)
class Source:
    """A dataset as it will be run on.

    Attributes:
        name: Its own, a stand-in's where it stands in.
        dataset: None where there are no data and no stand-in.
        parameters: All of them.
        recipe: What identifies the data beside code and parameters.
        train_frames: In the training split.
        reason: Why there is none.
    """

    name: str
    dataset: datasets.Dataset | None
    parameters: JSON
    recipe: JSON
    train_frames: int
    reason: str = ""

    @property
    def typed(self) -> str:
        """What to type for it."""
        located = self.dataset is not None and self.dataset.located
        return f"{self.name.partition(':')[0]}:{self.parameters['path']}" if located else self.name

    @property
    def telling(self) -> JSON:
        """The parameters but for where a file lies: which file it is the recipe tells, by its content."""
        return telling(self.name, self.parameters)


def source_of(name: str, protocol: Protocol, own: JSON, require_real: bool, remarks: list[str]) -> Source:
    """The dataset that a user means, or its stand-in; what has to be said of it is added to `remarks`.

    Raises:
        UsageError: It refuses its parameters, or there are no real data and `require_real` asks for them.
    """
    cls = datasets.get(name)
    defaults = datasets.parameters(name)
    size = {"sequences": protocol.sequences} if "sequences" in defaults else {}
    parameters = defaults | size | own
    try:
        with guarded():
            dataset = cls(**parameters)
            reason = dataset.missing()
            settled = {} if reason else dataset.settled()
            recipe = {} if reason else dataset.recipe()
            frames = 0 if reason else dataset.train_frames
    except Exception as error:  # a plug-in's may raise anything
        raise UsageError(f"dataset {name}: {error}") from None
    if not reason:
        given = settled.get("sequences", parameters.get("sequences"))
        if given != parameters.get("sequences"):
            remarks.append(f"{name} has {given} sequences to draw, not {parameters['sequences']}.")
        return Source(name, dataset, parameters | settled, recipe, frames)
    if cls.located:
        raise UsageError(reason)
    if require_real:
        raise UsageError(f"--require-real: {reason}")
    if cls.stand_in is None:
        remarks.append(reason)
        return Source(name, None, parameters, {}, 0, reason)
    remarks.append(f"{reason} Running on the stand-in {cls.stand_in} (synthetic, not {name}).")
    kept = {key: value for key, value in parameters.items() if key in datasets.parameters(cls.stand_in)}
    lost = sorted(own.keys() - kept.keys())
    if lost:
        remarks.append(f"--set {name}.{lost[0]}: the stand-in {cls.stand_in} has no such parameter.")
    stand_in = datasets.get(cls.stand_in)(**kept)
    return Source(cls.stand_in, stand_in, kept, stand_in.recipe(), stand_in.train_frames)
