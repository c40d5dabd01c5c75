"""What one child process does: train some seeds of one pair, measure them, write their records.

Everything that can go wrong in a user's code goes wrong here and costs this job alone.
"""

import faulthandler
import json
import math
import os
import signal
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import datasets
from bench import plugins
from bench.errors import ChangedError, DivergedError, GivenUpError, MetricError
from bench.execution.measure import flat_frames, trained, unquantized
from bench.execution.tokenizers import Workshop
from bench.kernels.clock import seconds
from bench.metrics import METRICS, Trained
from bench.metrics.learnability.batched import train_readers
from bench.planning.keys import training_code
from bench.planning.protocol import Protocol
from bench.plugins.guard import guarded
from bench.records.environment import environment, keep
from bench.records.files import write_json
from bench.records.record import KEPT, Record
from bench.records.store import Store
from bench.training.autoencoder import Autoencoder, tokenize
from bench.training.schedule import History
from bench.vocabulary import DIVERGED, DONE, FAILED, SHUFFLED, SHUFFLED_GRID, SORTED

JSON = dict[str, Any]
NOT_KEPT = ("former", "missing", "metric_keys", "ceiling")
"""Of a cell in its record: what the job is to do with it."""


def main(spec_path: str) -> None:
    """Run the job that a specification file describes."""
    faulthandler.enable()  # a crash in native code leaves its Python stack in the log
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides what Ctrl-C ends
    spec = json.loads(Path(spec_path).read_text(encoding="utf-8"))
    threading.Thread(target=_die_with, args=(spec["driver"],), daemon=True).start()
    set_up(spec["device"])
    for plugin in spec["plugins"]:
        plugins.load(plugin)
    plugins.discover(plugins.names_of(spec["cells"]))
    Job(spec).run()


def set_up(device: str) -> None:
    """One thread, because the runner starts as many jobs as there are cores; sums in one order, and in full float32."""
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


@dataclass(frozen=True)
class _Evaluation:
    """A cell that is being measured."""

    cell: JSON
    record: JSON
    subject: Trained


class Job:
    """Cells of one pair that differ in their seeds, and the controls made of the same tokenizers.

    Args:
        spec: What the runner wrote: folder, device and cells. Without an environment the job tells its own.
    """

    def __init__(self, spec: JSON) -> None:
        self.store = Store(Path(spec["root"]))
        self.cells: list[JSON] = spec["cells"]
        self.device: str = spec["device"]
        protocol = Protocol.from_values(self.cells[0]["protocol"])
        self.workshop = Workshop(self.store, self.device, protocol)
        self.environment: str = spec["environment"] or keep(self.store.root, environment(self.device))
        self.trains: bool = spec["trains"]
        self.id: str = spec.get("run", "")
        self.as_batch = self.device != "cpu"  # so that readers are trained as one; a CPU gains nothing by it
        start_up = time.process_time() if self.device == "cpu" else time.monotonic() - spec["begun"]
        self.phases = {"start-up": start_up / len(self.cells)}

    def run(self) -> None:
        """Train what has no weights yet, then measure and record every cell."""
        absent = [cell for cell in self.cells if not self.store.weights(cell["tokenizer"]).exists()]
        failed = self._train_or_fail(list({cell["tokenizer"]: cell for cell in absent}.values()))
        for cell in self.cells:
            if cell["tokenizer"] in failed:
                self._write_failure(cell, failed[cell["tokenizer"]], "train")
        trained = [cell for cell in self.cells if cell["tokenizer"] not in failed]
        for cells in [trained] if self.as_batch else [[cell] for cell in trained]:
            begun = [each for cell in cells if (each := self._begin_or_fail(cell)) is not None]
            if self.as_batch:
                self._train_readers(begun)
            for evaluation in begun:
                self._finish_or_fail(evaluation)

    def _train_or_fail(self, cells: list[JSON]) -> dict[str, Exception]:
        """Train cells as one batch of replicas; where that fails, one by one. Returns what failed, and why."""
        if not cells:
            return {}
        try:
            if not self.trains:
                raise FileNotFoundError("no stored weights to evaluate; bench run trains")
            self._check_code(cells[0])
            self.workshop.train(cells)
        except Exception as error:
            if len(cells) > 1:
                return {key: each for cell in cells for key, each in self._train_or_fail([cell]).items()}
            return {cells[0]["tokenizer"]: error}
        return {}

    def _check_code(self, cell: JSON) -> None:
        """A run that outlives an edit of the code must not file new results under old keys."""
        if self.trains and training_code(cell["quantizer"], cell["dataset"]) != cell["code"]:
            raise ChangedError("the code changed while the run was going on; start the same command again")

    def _begin_or_fail(self, cell: JSON) -> "_Evaluation | None":
        """Load and encode what is to be measured; None where that failed, which is then on record."""
        record: JSON = {part: cell["former"][part] for part in KEPT} | {"started": time.time()}
        try:
            self._check_code(cell)
            return self._begin(cell, record)
        except Exception as error:
            self._write_failure(cell, error, "evaluate", record)
            return None

    def _begin(self, cell: JSON, record: JSON) -> "_Evaluation":
        data = self.workshop.data(cell)
        tick, written = seconds(self.device), self.workshop.spent["write"]
        model, history, record["train_seconds"] = self.workshop.load(cell, data.width)
        if history.diverged:
            raise DivergedError("the reconstruction error is not finite")
        if history.given_up:
            points = len(history.validation)
            raise GivenUpError(f"given up at point {points} of its learning curve, at {min(history.validation):.4g}")
        record["history"] = {"train": history.train, "validation": history.validation, "eager": history.eager}
        sequences = {split: len(frames) for split, frames in data.frames.items()}
        record["data"] = {
            "sha256": data.content_hash(),
            "notes": dict(data.notes),
            "unit": data.unit,
            "sequences": sequences,
        }
        subject = self._subject(cell, data, model, history)
        encoding = seconds(self.device) - tick - (self.workshop.spent["write"] - written)
        training = {"warm-up": history.warm_up_seconds, "train": record["train_seconds"] - history.warm_up_seconds}
        record["phases"] = self.phases | training | {"encode": encoding}
        return _Evaluation(cell, record, subject)

    def _train_readers(self, evaluations: "list[_Evaluation]") -> None:
        """Of all cells as one batch; where that fails each metric trains its own and tells what is wrong."""
        names = {name for each in evaluations for name in each.cell["missing"]}
        tick = seconds(self.device)
        try:
            train_readers([each.subject for each in evaluations], names)
        except Exception as error:
            traceback.print_exception(error)
        for each in evaluations:
            each.record["phases"]["readers"] = (seconds(self.device) - tick) / len(evaluations)

    def _finish_or_fail(self, evaluation: "_Evaluation") -> None:
        """Measure what the cell's former record does not hold, and write the new one; nothing measured is lost."""
        cell, record = evaluation.cell, evaluation.record
        try:
            for name in cell["missing"]:
                tick = seconds(self.device)
                try:
                    self._measure(cell, name, evaluation.subject, record)
                except DivergedError:
                    raise
                except Exception as error:
                    raise MetricError(f"metric {name} raised {type(error).__name__}: {error}") from error
                record["metric_seconds"][name] = seconds(self.device) - tick
        except Exception as error:
            self._write_failure(cell, error, "evaluate", record)
            return
        phases = record["phases"]
        record["eval_seconds"] = (
            phases["encode"] + phases.get("readers", 0.0) + math.fsum(record["metric_seconds"].values())
        )
        phases |= {part: spent / len(self.cells) for part, spent in self.workshop.spent.items()}
        self._write(cell, {"status": DONE} | record)

    def _subject(self, cell: JSON, data: datasets.Sequences, model: Autoencoder, history: History) -> Trained:
        """What is measured: the trained tokenizer, or what the cell's control makes of it."""
        if cell["quantizer"] == "none":
            return unquantized(model, data, self.device)
        seeds = {"data_seed": cell["data_seed"], "train_seed": cell["train_seed"]}
        subject = trained(model, data, self.device, **seeds, protocol=self.workshop.protocol, history=history)
        if not cell["control"]:
            self.workshop.save_codes(cell, subject)
            return subject
        from bench.execution.controls import with_shuffled_tokens, with_sorted_codes  # heavy, and few cells need it

        if cell["control"] == SORTED:
            return with_sorted_codes(subject, tokenize(model, flat_frames(data, "val", self.device))[0])
        if cell["control"] == SHUFFLED:
            return with_shuffled_tokens(subject)
        return subject

    def _measure(self, cell: JSON, name: str, subject: Trained, record: JSON) -> None:
        function = METRICS[name].function
        assert function is not None
        if cell["control"] == SHUFFLED_GRID:
            from bench.execution.controls import null_values

            draws = null_values(subject, function)
            record["null"][name] = draws
            value = math.fsum(draws) / len(draws) if draws else None
        else:
            with guarded():
                value = function(subject)
        if not isinstance(value, int | float | None):
            raise TypeError(f"expected a float or None, got {type(value).__name__}; return value.item()")
        if value is not None and not math.isfinite(value):
            raise DivergedError(f"metric {name} is {value}")
        record["metrics"][name] = value
        if name in subject.curves:
            # JSON has no infinity: a reader may break down after its best check, and its metric is good all the same.
            record["curves"][name] = [(at, ppl if math.isfinite(ppl) else None) for at, ppl in subject.curves[name]]

    def _write_failure(self, cell: JSON, error: Exception, stage: str, record: JSON | None = None) -> None:
        diverged = isinstance(error, DivergedError)
        foreseen = diverged or isinstance(error, GivenUpError)
        if not foreseen:
            traceback.print_exception(error)  # into the job's log
        told = {
            "type": type(error).__name__,
            "message": str(error),
            "stage": stage,
            "traceback": None if foreseen else self.store.log(self.cells[0]["tokenizer"]).name,
        }
        self._write(cell, (record or {}) | {"status": DIVERGED if diverged else FAILED, "error": told})

    def _write(self, cell: JSON, values: JSON) -> None:
        record: Record = {
            "key": cell["key"],
            "cell": {name: value for name, value in cell.items() if name not in NOT_KEPT},
            "metric_keys": cell["metric_keys"],
            "device": self.device,
            "float32_matmul_precision": torch.get_float32_matmul_precision(),
            "environment": self.environment,
            "finished": time.time(),
            "run": self.id,
        }
        if not self.trains and values["status"] != DONE and self.store.path(cell["key"]).exists():
            # What was measured before is worth more than that it cannot be measured here and now.
            write_json(self.store.failure(cell["key"]), record | values)
        else:
            self.store.write(record | values)
