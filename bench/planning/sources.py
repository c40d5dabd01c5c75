"""Datasets as a run uses them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import datasets
from bench.errors import UsageError
from bench.planning.cells import portable
from bench.planning.protocol import Protocol
from bench.plugins.guard import guarded
from bench.typing import JSON


def with_stand_ins(names: Sequence[str]) -> set[str]:
    """Names of datasets, and of the stand-ins that run in their place where they are absent."""
    return {*names, *(datasets.get(name).stand_in or name for name in names)}


@dataclass(frozen=True, kw_only=True)
class Source:
    """A dataset as it will be run on.

    Attributes:
        name: Name in the tables; the stand-in's where a stand-in runs.
        dataset: The dataset; None where there are no data and no stand-in.
        parameters: All parameters of the dataset, defaults included.
        recipe: Identity of the data beside code and parameters, such as hashes of files.
        train_frames: Number of frames in the training split.
        reason: Reason why there is no dataset; "" where there is one.
    """

    name: str
    dataset: datasets.Dataset | None
    parameters: JSON
    recipe: JSON = field(default_factory=dict)
    train_frames: int = 0
    reason: str = ""

    @property
    def typed(self) -> str:
        """Name to type on the command line."""
        located = self.dataset is not None and self.dataset.located
        return f"{self.name.partition(':')[0]}:{self.parameters['path']}" if located else self.name

    @property
    def portable_parameters(self) -> JSON:
        """Parameters without the path of a file, which `recipe` identifies by its content."""
        return portable(self.name, self.parameters)


def source_of(name: str, protocol: Protocol, chosen: JSON, require_real: bool, remarks: list[str]) -> Source:
    """Find the dataset that a user means, or its stand-in.

    Args:
        name: Name as `datasets.resolve` gives it.
        protocol: Protocol, which gives the number of sequences.
        chosen: Parameters that the user chose.
        require_real: Whether to refuse a stand-in.
        remarks: Takes lines that the user should read.

    Raises:
        UsageError: The dataset refuses its parameters, or its data are absent and `require_real` asks for them.
    """
    cls = datasets.get(name)
    defaults = datasets.parameters(name)
    size = {"sequences": protocol.sequences} if "sequences" in defaults else {}
    parameters = defaults | size | chosen
    try:
        with guarded():
            dataset = cls(**parameters)
            reason = dataset.missing()
            settled = {} if reason else dataset.settled()
            recipe = {} if reason else dataset.recipe()
            frames = 0 if reason else dataset.train_frames
    except Exception as error:  # a plug-in's dataset may raise anything
        raise UsageError(f"dataset {name}: {error}") from None
    if not reason:
        sequences = settled.get("sequences", parameters.get("sequences"))
        if sequences != parameters.get("sequences"):
            remarks.append(f"{name} has {sequences} sequences to draw, not {parameters['sequences']}.")
        return Source(name=name, dataset=dataset, parameters=parameters | settled, recipe=recipe, train_frames=frames)
    if cls.located:
        raise UsageError(reason)
    if require_real:
        raise UsageError(f"--require-real: {reason}")
    if cls.stand_in is None:
        remarks.append(reason)
        return Source(name=name, dataset=None, parameters=parameters, reason=reason)
    remarks.append(f"{reason} Running on the stand-in {cls.stand_in} (synthetic, not {name}).")
    return _stand_in(name, cls.stand_in, parameters, chosen, remarks)


def _stand_in(name: str, stand_in: str, parameters: JSON, chosen: JSON, remarks: list[str]) -> Source:
    """Make the source of a stand-in with those parameters of the absent dataset that it has as well."""
    defaults = datasets.parameters(stand_in)
    shared = {key: value for key, value in parameters.items() if key in defaults}
    lost = sorted(chosen.keys() - shared.keys())
    if lost:
        remarks.append(f"--set {name}.{lost[0]}: the stand-in {stand_in} has no such parameter.")
    dataset = datasets.get(stand_in)(**shared)
    return Source(
        name=stand_in,
        dataset=dataset,
        parameters=shared,
        recipe=dataset.recipe(),
        train_frames=dataset.train_frames,
    )
