"""The work of one child process: train some seeds of one pair, measure them, and write their records.

Everything that can go wrong in a user's code goes wrong here, and costs this job alone.
"""

import faulthandler
import json
import math
import os
import signal
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import datasets
from bench import plugins
from bench.errors import ChangedError, DivergedError, GivenUpError, MetricError
from bench.execution.measure import flat_frames, trained, unquantized
from bench.execution.task import CellTask
from bench.execution.tokenizers import TokenizerStore
from bench.kernels.clock import seconds
from bench.metrics import METRICS, Trained
from bench.metrics.base import Measurement
from bench.metrics.learnability.batched import train_readers
from bench.metrics.usage import index_usage
from bench.planning.cells import Cell
from bench.planning.keys import training_code
from bench.planning.protocol import Protocol
from bench.plugins.guard import guarded
from bench.records.environment import environment, keep
from bench.records.files import write_json
from bench.records.record import Failure, Record
from bench.records.store import Store
from bench.training.autoencoder import Autoencoder, tokenize
from bench.training.schedule import History
from bench.typing import JSON
from bench.vocabulary import DIVERGED, DONE, FAILED, SHUFFLED, SHUFFLED_GRID, SORTED


def main(spec_path: str) -> None:
    """Run the job that a specification file describes."""
    faulthandler.enable()  # a crash in native code leaves its Python stack in the log
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides what Ctrl-C ends
    spec = json.loads(Path(spec_path).read_text(encoding="utf-8"))
    threading.Thread(target=_die_with, args=(spec["driver"],), daemon=True).start()
    set_up(spec["device"])
    for plugin in spec["plugins"]:
        plugins.load(plugin)
    child = ChildJob(spec)
    plugins.discover(plugins.names_of(task.cell for task in child.tasks))
    child.run()


def set_up(device: str) -> None:
    """Make PyTorch use one thread, sum in one order, and multiply in full float32.

    The runner starts as many jobs as there are cores.
    """
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    torch.set_float32_matmul_precision("highest")  # TF32 would move the nearest code
    torch.backends.cudnn.allow_tf32 = False
    if device == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.cuda.synchronize()  # starts the device, so that this is counted as start-up


def _die_with(driver: int) -> None:
    """End when the driver is gone: a job that nobody waits for must not keep a core busy."""
    while os.getppid() == driver:
        time.sleep(0.5)
    os._exit(1)


@dataclass(frozen=True, kw_only=True)
class _Evaluation:
    """A cell that is being measured, with the record so far."""

    task: CellTask
    record: Record
    subject: Trained


class ChildJob:
    """Cells of one pair that differ in their seeds, and the controls made of the same tokenizers.

    Args:
        spec: Plain values that `bench.execution.engine.Job.spec` gives, with the folder to write into (`root`) and the
            time at which the child was started (`begun`). Without an environment the job records that of its process.
    """

    def __init__(self, spec: JSON) -> None:
        self.store = Store(Path(spec["root"]))
        self.tasks = [CellTask.from_values(values) for values in spec["tasks"]]
        self.device: str = spec["device"]
        protocol = Protocol.from_values(self.tasks[0].cell.protocol)
        self.tokenizers = TokenizerStore(self.store, self.device, protocol)
        self.environment: str = spec["environment"] or keep(self.store.root, environment(self.device))
        self.trains: bool = spec["trains"]
        self.run_id: str = spec["run"]
        self.as_batch = self.device != "cpu"  # so that readers are trained as one; a CPU gains nothing by it
        start_up = time.process_time() if self.device == "cpu" else time.monotonic() - spec["begun"]
        self.phases = {"start-up": start_up / len(self.tasks)}

    def run(self) -> None:
        """Train tokenizers that have no weights yet, then measure and record every cell."""
        untrained: dict[str, CellTask] = {}
        for task in self.tasks:
            if not self.store.weights(task.cell.tokenizer_key).exists():
                untrained[task.cell.tokenizer_key] = task
        failures = self._train_or_fail(list(untrained.values()))
        measurable = []
        for task in self.tasks:
            if task.cell.tokenizer_key in failures:
                self._write_failure(task, failures[task.cell.tokenizer_key], "train")
            else:
                measurable.append(task)
        if self.as_batch:
            self._evaluate(measurable)
        else:
            for task in measurable:
                self._evaluate([task])

    def _train_or_fail(self, tasks: list[CellTask]) -> dict[str, Exception]:
        """Train cells as one batch of replicas, or one by one where that fails; return errors by tokenizer key."""
        if not tasks:
            return {}
        try:
            if not self.trains:
                raise FileNotFoundError("no stored weights to evaluate; bench run trains")
            self._check_code(tasks[0].cell)
            self.tokenizers.train(tasks)
        except Exception as error:
            if len(tasks) == 1:
                return {tasks[0].cell.tokenizer_key: error}
            failures: dict[str, Exception] = {}
            for task in tasks:
                failures |= self._train_or_fail([task])
            return failures
        return {}

    def _check_code(self, cell: Cell) -> None:
        """Keep a run that outlives an edit of the code from filing new results under old keys."""
        if self.trains and training_code(cell.quantizer, cell.dataset) != cell.code:
            raise ChangedError("the code changed while the run was going on; start the same command again")

    def _evaluate(self, tasks: list[CellTask]) -> None:
        evaluations = []
        for task in tasks:
            evaluation = self._begin_or_fail(task)
            if evaluation is not None:
                evaluations.append(evaluation)
        if self.as_batch:
            self._train_readers(evaluations)
        for evaluation in evaluations:
            self._finish_or_fail(evaluation)

    def _begin_or_fail(self, task: CellTask) -> _Evaluation | None:
        """Load and encode what is to be measured; a failure is recorded."""
        record = self._record(task.cell)
        record["started"] = time.time()
        record["metrics"] = task.former["metrics"]
        record["metric_seconds"] = task.former["metric_seconds"]
        record["null"] = task.former["null"]
        record["curves"] = task.former["curves"]
        try:
            self._check_code(task.cell)
            return _Evaluation(task=task, record=record, subject=self._begin(task.cell, record))
        except Exception as error:
            self._write_failure(task, error, "evaluate", record)
            return None

    def _begin(self, cell: Cell, record: Record) -> Trained:
        data = self.tokenizers.data(cell)
        tick, written = seconds(self.device), self.tokenizers.spent["write"]
        loaded = self.tokenizers.load(cell, data.width)
        history, record["train_seconds"] = loaded.history, loaded.seconds
        if history.diverged:
            raise DivergedError("the reconstruction error is not finite")
        if history.given_up:
            points = len(history.validation)
            raise GivenUpError(f"given up at point {points} of its learning curve, at {min(history.validation):.4g}")
        record["history"] = {
            "train": list(history.train),
            "validation": list(history.validation),
            "eager": history.eager,
            "codebook": history.codebook,
        }
        record["data"] = {
            "sha256": data.content_hash(),
            "notes": dict(data.notes),
            "unit": data.unit,
            "sequences": {split: len(frames) for split, frames in data.frames.items()},
        }
        subject = self._subject(cell, data, loaded.model, history)
        usage = index_usage(subject)
        if usage is not None:
            record["indices"] = usage
        encoding = seconds(self.device) - tick - (self.tokenizers.spent["write"] - written)
        training = {"warm-up": history.warm_up_seconds, "train": record["train_seconds"] - history.warm_up_seconds}
        record["phases"] = self.phases | training | {"encode": encoding}
        return subject

    def _subject(self, cell: Cell, data: datasets.Sequences, model: Autoencoder, history: History) -> Trained:
        """Make the tokenizer that is measured: the trained one, or what the cell's control makes of it."""
        if cell.quantizer == "none":
            return unquantized(model, data, self.device)
        subject = trained(
            model,
            data,
            self.device,
            data_seed=cell.data_seed,
            train_seed=cell.train_seed,
            protocol=self.tokenizers.protocol,
            history=history,
        )
        if not cell.control:
            self.tokenizers.save_codes(cell, subject)
            return subject
        from bench.execution.controls import with_shuffled_tokens, with_sorted_codes  # heavy, and few cells need it

        if cell.control == SORTED:
            return with_sorted_codes(subject, tokenize(model, flat_frames(data, "val", self.device))[0])
        if cell.control == SHUFFLED:
            return with_shuffled_tokens(subject)
        return subject

    def _train_readers(self, evaluations: Sequence[_Evaluation]) -> None:
        """Train the readers of all cells as one batch; where that fails, every metric trains its own and reports it."""
        names: set[str] = set()
        for evaluation in evaluations:
            names.update(evaluation.task.missing)
        tick = seconds(self.device)
        try:
            train_readers([evaluation.subject for evaluation in evaluations], names)
        except Exception as error:
            traceback.print_exception(error)
        for evaluation in evaluations:
            evaluation.record["phases"]["readers"] = (seconds(self.device) - tick) / len(evaluations)

    def _finish_or_fail(self, evaluation: _Evaluation) -> None:
        """Measure what the former record does not hold, and write the new one; nothing measured is lost."""
        task, record = evaluation.task, evaluation.record
        try:
            for name in task.missing:
                tick = seconds(self.device)
                try:
                    self._measure(task.cell, name, evaluation.subject, record)
                except DivergedError:
                    raise
                except Exception as error:
                    raise MetricError(f"metric {name} raised {type(error).__name__}: {error}") from error
                record["metric_seconds"][name] = seconds(self.device) - tick
        except Exception as error:
            self._write_failure(task, error, "evaluate", record)
            return
        phases = record["phases"]
        measuring = math.fsum(record["metric_seconds"].values())
        record["eval_seconds"] = phases["encode"] + phases.get("readers", 0.0) + measuring
        for part, spent in self.tokenizers.spent.items():
            phases[part] = spent / len(self.tasks)
        record["status"] = DONE
        self._write(record)

    def _measure(self, cell: Cell, name: str, subject: Trained, record: Record) -> None:
        if cell.control == SHUFFLED_GRID:
            from bench.execution.controls import null_values

            draws = null_values(subject, METRICS[name])
            record["null"][name] = draws
            measurement = Measurement(value=math.fsum(draws) / len(draws) if draws else None)
        else:
            with guarded():
                measurement = METRICS[name].measure(subject)
        value = measurement.value
        if value is not None and not math.isfinite(value):
            raise DivergedError(f"metric {name} is {value}")
        record["metrics"][name] = value
        if measurement.curve:
            # JSON has no infinity: a reader may break down after its best check, and its metric is good all the same.
            finite = [(update, ppl if math.isfinite(ppl) else None) for update, ppl in measurement.curve]
            record["curves"][name] = finite

    def _record(self, cell: Cell) -> Record:
        """The parts of a record that do not depend on what happens; it counts as failed until it is done."""
        return {
            "key": cell.key,
            "status": FAILED,
            "cell": cell.kept(),
            "metric_keys": cell.metric_keys,
            "device": self.device,
            "float32_matmul_precision": torch.get_float32_matmul_precision(),
            "environment": self.environment,
            "run": self.run_id,
        }

    def _write_failure(self, task: CellTask, error: Exception, stage: str, record: Record | None = None) -> None:
        diverged = isinstance(error, DivergedError)
        foreseen = diverged or isinstance(error, GivenUpError)
        if not foreseen:
            traceback.print_exception(error)  # into the job's log
        record = record or self._record(task.cell)
        record["status"] = DIVERGED if diverged else FAILED
        record["error"] = Failure(
            type=type(error).__name__,
            message=str(error),
            stage=stage,
            traceback=None if foreseen else self.store.log(self.tasks[0].cell.tokenizer_key).name,
        )
        self._write(record)

    def _write(self, record: Record) -> None:
        record["finished"] = time.time()
        if not self.trains and record["status"] != DONE and self.store.path(record["key"]).exists():
            # What was measured before is worth more than that it cannot be measured here and now.
            write_json(self.store.failure(record["key"]), record)
        else:
            self.store.write(record)
