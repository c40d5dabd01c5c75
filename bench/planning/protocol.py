"""Named protocols: the values that every family shares. docs/concepts/protocol.md says where they come from."""

from dataclasses import asdict, dataclass, fields, replace

from bench.metrics.base import SMALL_READER, ConvergedBudget, ReaderBudget
from bench.training.schedule import Schedule
from bench.typing import JSON


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One set of values for training and evaluation.

    Attributes:
        name: Name on the command line.
        purpose: One line for lists and report titles.
        sequences: Number of sequences per dataset.
        codebook_size: Codebook size K that every family is asked for.
        schedule: Schedule of the training of tokenizers.
        seeds: Default number of seeds.
        reader: Budget of the readers of all training sequences.
        small_reader: Budget of every reader of an eighth of them, whatever its embedding.
        width: Hidden width whatever K is; None takes the rule of the SOM-VQ paper.
        capacity: Rule for network sizes. "matched" lets encoder, decoder and projections agree within 1 %; "published"
            gives every family its published width.
    """

    name: str
    purpose: str
    sequences: int
    codebook_size: int
    schedule: Schedule
    seeds: int
    reader: ReaderBudget
    small_reader: ConvergedBudget
    width: int | None = None
    capacity: str = "matched"

    @property
    def hidden(self) -> int:
        """Hidden width that goes with K (SOM-VQ, Appendix A), or the one that was chosen."""
        if self.width is not None:
            return self.width
        if self.codebook_size <= 64:
            return 128
        return 256 if self.codebook_size <= 1_024 else 512

    def values(self) -> JSON:
        """All values, for records and reports."""
        return asdict(self) | {"hidden": self.hidden}

    @classmethod
    def from_values(cls, values: JSON) -> "Protocol":
        """Make a protocol from what `values()` returned."""
        arguments = {field.name: values[field.name] for field in fields(cls)}
        arguments["schedule"] = Schedule(**values["schedule"])
        arguments["reader"] = ReaderBudget(**values["reader"])
        arguments["small_reader"] = ConvergedBudget(**values["small_reader"])
        return cls(**arguments)


QUICK = Protocol(
    name="quick",
    purpose="about the paper's ratio of frames to codes, in minutes; not the paper's protocol",
    sequences=80,
    codebook_size=256,
    schedule=Schedule(warm_up_epochs=2, epochs=24, batch=256, learning_rate=1e-3),
    seeds=3,
    reader=ReaderBudget(updates=50, cap=200, check_every=25, patience=3, rate=1e-2, anneal=True),
    small_reader=SMALL_READER,
)
PAPER = Protocol(
    name="paper",
    purpose="the SOM-VQ paper's sizes; values lost from its text are fitted",
    sequences=400,
    codebook_size=1_024,
    schedule=Schedule(warm_up_epochs=2, epochs=60, batch=256, learning_rate=1e-3),
    seeds=5,
    reader=ReaderBudget(updates=50, cap=600, check_every=50, patience=3, rate=6e-3, anneal=True),
    small_reader=ConvergedBudget(cap=700, check_every=25, patience=3, rate=3e-3, batch=16),
)
PAPER_COLD = replace(
    PAPER,
    name="paper-cold",
    purpose="paper, but the codebook starts in an untrained encoder: as the publication may have done",
    schedule=replace(PAPER.schedule, warm_up_epochs=0),
)
TINY = Protocol(
    name="tiny",
    purpose="shows that everything runs, in seconds; its numbers mean nothing",
    sequences=12,
    codebook_size=16,
    schedule=Schedule(warm_up_epochs=1, epochs=2, batch=256, learning_rate=1e-3),
    seeds=2,
    reader=ReaderBudget(updates=2, cap=4, check_every=2, patience=1, rate=1e-2, anneal=True),
    small_reader=replace(SMALL_READER, cap=4, check_every=2, patience=1),
)
PROTOCOLS = {protocol.name: protocol for protocol in (QUICK, PAPER, PAPER_COLD, TINY)}
