"""A row of the tables: a quantizer at a codebook size, a reference, or a control made of a trained quantizer.

vq      vq:preset      vq@64      rvq@1024x4      none      kmeans      vq+sorted      som-vq+shuffled-grid
"""

import re
from dataclasses import dataclass, field

import quantizers
from bench import plugins
from bench.errors import UsageError
from bench.metrics import METRICS
from bench.typing import JSON
from bench.vocabulary import CONTROL, CONTROLS, FAMILY, REFERENCE, REFERENCES, SHUFFLED, SORTED
from quantizers.base import MOST_COMBINATIONS
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
_TEXT = re.compile(r"(?P<quantizer>[^@+]+)(@(?P<size>[^@+]*))?(\+(?P<control>[^@+]*))?")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the tables, for every dataset.

    Attributes:
        name: Name in the tables.
        quantizer: Registered name of the quantizer, with its preset, or name of a reference.
        parameters: Values that replace those of the name or preset.
        codebook_size: Codebook size K to ask for, the product over all indices; None takes the protocol's.
        one_width: Whether to keep the hidden width of the protocol's own K, where the papers' rule would change it.
        schedule: Values of the protocol's schedule that the row replaces.
        control: Name of the control that is applied to the trained tokenizer; "" for none.
        role: Role among `bench.vocabulary.ROLES`; only families are ranked.
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
        """Whether tuned parameters apply: the row has no preset, no parameters and no codebook size of its own."""
        return ":" not in self.quantizer and not self.parameters and self.codebook_size is None

    @property
    def measured(self) -> tuple[str, ...]:
        """Names of the metrics that this row may have."""
        return tuple(name for name in METRICS if METRICS[name].function and self._may_have(name))

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
    """Read a row: `NAME[:PRESET][@K[xM]][+CONTROL]`, where K x M asks for M indices of K codes each.

    Raises:
        UsageError: A name, preset or control is unknown, K is out of range, or the quantizer has one index.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise UsageError(
            "expected QUANTIZER[:PRESET][@K][+CONTROL] such as vq, fsq:2d, vq@64, rvq@1024x4 or vq+sorted, got "
            f"{text!r}"
        )
    quantizer, size, control = match["quantizer"], match["size"], match["control"]
    _check_quantizer(quantizer)
    if control is not None and control not in CONTROLS:
        raise UsageError(f"unknown control {control!r} in {text!r}; {suggestion(control, list(CONTROLS))}")
    if control is not None and quantizer in REFERENCES:
        raise UsageError(f"{text!r}: a control is made of a quantizer, and {quantizer} is none")
    role = REFERENCE if quantizer in REFERENCES else FAMILY
    codes, parameters = (None, {}) if size is None else _size(size, quantizer, text)
    return Row(
        name=text,
        quantizer=quantizer,
        parameters=parameters,
        codebook_size=codes,
        control=control or "",
        role=CONTROL if control else role,
    )


def _size(text: str, quantizer: str, where: str) -> tuple[int, JSON]:
    """Codebook size that K or K x M asks for, and the parameter that sets the number of indices."""
    codes, times, indices = text.partition("x")
    if not (times and codes.isdigit()):
        return codebook_size(text, where), {}
    parameter = "" if quantizer in REFERENCES else quantizers.get(quantizer)[0].cls.index_count
    if not parameter:
        raise UsageError(f"{where!r}: {quantizer} has one index, so that it takes @K; rvq and pq take @KxM")
    count = int(indices) if indices.isascii() and indices.isdigit() and len(indices) < 3 else 0
    size = codebook_size(codes, where)
    if count < 2 or size**count > MOST_COMBINATIONS:
        raise UsageError(f"expected 2 indices or more, of at most 2^62 combinations, in {where}, got {text!r}")
    return size**count, {parameter: count}


def codebook_size(text: str, where: str) -> int:
    """Read a codebook size, at least 2 and at most 2^20.

    Args:
        text: Digits as the user typed them.
        where: Text that holds them, for the message.

    Raises:
        UsageError: It is out of range, or no number.
    """
    size = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not 2 <= size <= 1 << 20:
        raise UsageError(f"expected a codebook size between 2 and 1048576 in {where}, got {text!r}")
    return size


def _check_quantizer(quantizer: str) -> None:
    names = [*quantizers.names(), *REFERENCES]
    if quantizer in REFERENCES:
        return
    name = quantizer.partition(":")[0]
    if name in REFERENCES:
        raise UsageError(f"{quantizer!r}: {name} is a reference, which has no presets")
    if name not in names:
        plugins.refuse_broken("quantizer", name)
        raise UsageError(f"unknown quantizer {quantizer!r}; {suggestion(quantizer, names)}")
    try:
        quantizers.get(quantizer)
    except ValueError as error:
        raise UsageError(str(error)) from None
