"""The record of a cell: one JSON object with everything that was measured.

docs/concepts/record.md shows these types as tables.
"""

from typing import Any, Final, Literal, NotRequired, Required, TypedDict

from bench.typing import JSON

SCHEMA = 3

KeptPart = Literal["metrics", "metric_seconds", "null", "curves"]
KEPT: Final[tuple[KeptPart, ...]] = ("metrics", "metric_seconds", "null", "curves")
"""Parts of a record by metric. An entry is kept where the metric's key has not changed."""


class KeptCell(TypedDict):
    """The plain values of a cell, of which only the key of its tokenizer is read back from a record of a run.

    Attributes:
        tokenizer_key: Key of the trained tokenizer, which controls share with their original.
    """

    tokenizer_key: str


class DataFacts(TypedDict):
    """The data that a cell was trained and measured on.

    Attributes:
        sha256: Hash of the content of all splits.
        notes: Facts that the dataset tells about this draw.
        unit: Unit of the data before standardisation; "" where there is none.
        sequences: Split -> number of sequences.
    """

    sha256: str
    notes: JSON
    unit: str
    sequences: NotRequired[dict[str, int]]


class LearningCurve(TypedDict):
    """The errors that training recorded.

    Attributes:
        train: Mean training error since the check before, one per check; None where it was not recorded.
        validation: Error on the validation split, one per check.
        eager: Reason why training steps were not replayed as a CUDA graph; None where they were, and on a CPU.
        codebook: Observation of the codebook on the validation split -> its value before any step with the quantizer,
            then one per check: usage, perplexity, latent_scale, code_scale, offset and churn
            (`bench.training.observations`).
    """

    train: NotRequired[list[float | None]]
    validation: list[float]
    eager: NotRequired[str | None]
    codebook: NotRequired[dict[str, list[float | None]]]


class Failure(TypedDict, total=False):
    """The reason why a cell is not done.

    Attributes:
        type: Name of the exception's class; None where no exception was caught.
        message: Message of the exception, or a sentence about the end of the process.
        stage: Step that failed, "train" or "evaluate".
        traceback: Name of the log file with the traceback; None where the failure was foreseen.
    """

    type: str | None
    message: str
    stage: str
    traceback: str | None


class Record(TypedDict, total=False):
    """Everything that a run keeps about one cell.

    Attributes:
        schema: Version of this layout.
        key: Key of the cell, which names the file.
        status: Outcome, see `bench.vocabulary.STATUSES`; it decides which of the other parts are there.
        cell: Plain values of the cell, without its metric keys, see `bench.planning.cells.Cell`.
        metrics: Metric -> value; None where the metric does not apply.
        metric_keys: Metric -> SHA-256 of everything that decides its value.
        metric_seconds: Metric -> seconds that it took.
        null: Metric -> values under random permutations of the lattice positions, in a shuffled-grid control.
        curves: Metric -> [update, validation perplexity] at every check of its reader.
        history: Learning curve of the training.
        phases: Phase of the job -> seconds that it took.
        data: Facts about the data of this cell.
        indices: Use of every index and of their combinations, where a code has several (`bench.metrics.usage`).
        error: Reason why the cell is not done.
        environment: Hash that names the file of the environment, `environments/HASH.json`.
        device: Device of the job, "cpu" or "cuda".
        float32_matmul_precision: PyTorch's precision of float32 matrix products during the job.
        run: Identifier of the run that wrote the record: clocks of machines differ.
        started: Time at which the evaluation began, in seconds since 1970.
        finished: Time at which the record was written, in seconds since 1970.
        train_seconds: Seconds of training, shared equally by cells that were trained as one batch.
        eval_seconds: Seconds of evaluation: encoding, readers and metrics.
    """

    schema: int
    key: Required[str]
    status: Required[str]
    cell: KeptCell
    metrics: dict[str, float | None]
    metric_keys: dict[str, str]
    metric_seconds: dict[str, float]
    null: dict[str, list[float]]
    curves: dict[str, list[Any]]
    history: LearningCurve
    phases: dict[str, float]
    data: DataFacts
    indices: JSON
    error: Failure
    environment: str
    device: str
    float32_matmul_precision: str
    run: str
    started: float
    finished: float
    train_seconds: float
    eval_seconds: float


def cause(record: Record) -> str:
    """Reason why a cell is not done, in one line."""
    failure = record.get("error", Failure())
    kind, message = failure.get("type"), " ".join(failure.get("message", "").split())
    return f"{kind}: {message}" if kind else message
