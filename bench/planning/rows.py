"""A row of the tables: a quantizer at a codebook size, a reference, or a control made of a trained quantizer.

vq        vq:preset        vq@64        none        kmeans        vq+sorted        som-vq+shuffled-grid
"""

import re
from dataclasses import dataclass, field

import quantizers
from bench import plugins
from bench.errors import UsageError
from bench.metrics import METRICS
from bench.typing import JSON
from bench.vocabulary import CONTROL, CONTROLS, FAMILY, REFERENCE, REFERENCES, SHUFFLED, SORTED
from quantizers.checks import suggestion

_RECONSTRUCTION = ("mse", "explained", "error_units")
_OF_SHUFFLED = (
    "unigram_ppl",
    "seq_ppl_17",
    "seq_ppl",
    "seq_ppl_converged",
    "bits_per_frame",
    "bits_eighth",
    "ngram_bits",
)
_TEXT = re.compile(r"(?P<label>[^@+]+)(@(?P<size>[^@+]*))?(\+(?P<control>[^@+]*))?")


@dataclass(frozen=True)
class Row:
    """One row for every dataset.

    Attributes:
        name: In the tables.
        quantizer: What `quantizers.create` or `bench.training.references` knows it by.
        parameters: Values that replace those of the name or preset.
        codebook_size: K asked for; None takes the protocol's.
        one_width: Keep the hidden width of the protocol's own K, where the papers' rule would change it with K.
        schedule: Values of the protocol's schedule that it replaces.
        control: What is done to the trained tokenizer before it is measured; "" for nothing.
        role: One of ROLES; only families are ranked.
        metrics: Names of the metrics to measure; None for all that apply.
    """

    name: str
    quantizer: str
    parameters: JSON = field(default_factory=dict)
    codebook_size: int | None = None
    one_width: bool = False
    schedule: JSON = field(default_factory=dict)
    control: str = ""
    role: str = FAMILY
    metrics: tuple[str, ...] | None = None

    @property
    def plain(self) -> bool:
        """Whether it is a family by its plain name, or a control of it: parameters that were tuned are for these."""
        return ":" not in self.quantizer and not self.parameters and self.codebook_size is None

    @property
    def measured(self) -> tuple[str, ...]:
        """Metrics that this row may have."""
        return tuple(name for name, metric in METRICS.items() if metric.function and self._may_have(name))

    def _may_have(self, name: str) -> bool:
        if self.metrics is not None and name not in self.metrics:
            return False
        if self.quantizer == "none":
            return name in _RECONSTRUCTION
        if self.quantizer == "kmeans":
            return "curve" not in METRICS[name].needs  # its error is told once, at the end
        if self.control == SHUFFLED:
            return name in _OF_SHUFFLED
        if self.control:
            gain = name == "topology_gain"
            return "positions" in METRICS[name].needs and (self.control == SORTED or not gain)
        return True


def parse(text: str) -> Row:
    """The row that a user means by `NAME[:PRESET][@K][+CONTROL]`.

    Raises:
        UsageError: Unknown name, preset or control, or K out of range.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise UsageError(
            f"expected QUANTIZER[:PRESET][@K][+CONTROL] such as vq, fsq:2d, vq@64 or vq+sorted, got {text!r}"
        )
    label, size, control = found["label"], found["size"], found["control"]
    _check_label(label)
    if control is not None and control not in CONTROLS:
        raise UsageError(f"unknown control {control!r} in {text!r}; {suggestion(control, list(CONTROLS))}")
    if control is not None and label in REFERENCES:
        raise UsageError(f"{text!r}: a control is made of a quantizer, and {label} is none")
    role = CONTROL if control else REFERENCE if label in REFERENCES else FAMILY
    return Row(
        text, label, codebook_size=None if size is None else codebook_size(size, text), control=control or "", role=role
    )


def codebook_size(text: str, where: str) -> int:
    """K of at least 2 and at most 2^20.

    Raises:
        UsageError: It is not.
    """
    size = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not 2 <= size <= 1 << 20:
        raise UsageError(f"expected a codebook size between 2 and 1048576 in {where}, got {text!r}")
    return size


def _check_label(label: str) -> None:
    known = [*quantizers.names(), *REFERENCES]
    if label in REFERENCES:
        return
    name = label.partition(":")[0]
    if name in REFERENCES:
        raise UsageError(f"{label!r}: {name} is a reference, which has no presets")
    if name not in known:
        plugins.refuse_broken("quantizer", name)
        raise UsageError(f"unknown quantizer {label!r}; {suggestion(label, known)}")
    try:
        quantizers.get(label)
    except ValueError as error:
        raise UsageError(str(error)) from None
