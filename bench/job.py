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
from pathlib import Path
from typing import Any

import torch

import datasets
from bench import plugins
from bench.environment import environment, keep
from bench.keys import training_code
from bench.measure import DivergedError, flat_frames, trained, unquantized
from bench.metrics import METRICS, Trained
from bench.model import Autoencoder, tokenize
from bench.protocol import Protocol
from bench.rows import REFERENCES, SHUFFLED, SHUFFLED_GRID, SORTED
from bench.store import DIVERGED, DONE, FAILED, KEPT, Record, Store, write_json
from bench.train import History
from bench.workshop import ChangedError, Workshop, load_data

JSON = dict[str, Any]


def main(spec_path: str) -> None:
    """Run the job that a specification file describes."""
    faulthandler.enable()  # a crash in native code leaves its Python stack in the log
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides what Ctrl-C ends
    spec = json.loads(Path(spec_path).read_text(encoding="utf-8"))
    threading.Thread(target=_die_with, args=(spec["driver"],), daemon=True).start()
    if spec["device"] == "cpu":
        torch.set_num_threads(1)
    else:
        torch.use_deterministic_algorithms(True, warn_only=True)
    for plugin in spec["plugins"]:
        plugins.load(plugin)
    plugins.discover(_needed(spec["cells"]))
    Job(spec).run()


def _needed(cells: list[JSON]) -> dict[str, set[str]]:
    """What the cells name that an installed plug-in may have to give."""
    return {
        plugins.OF_QUANTIZERS: {cell["quantizer"].partition(":")[0] for cell in cells} - REFERENCES.keys(),
        plugins.OF_DATASETS: {cell["dataset"] for cell in cells},
        plugins.OF_METRICS: {name for cell in cells for name in cell["metric_keys"]},
    }


def _die_with(driver: int) -> None:
    """End when the driver is gone: a job that nobody waits for must not keep a core busy."""
    while os.getppid() == driver:
        time.sleep(0.5)
    os._exit(1)


class MetricError(RuntimeError):
    """A metric raised, or gave what is no number."""


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

    def run(self) -> None:
        """Train what has no weights yet, then measure and record every cell."""
        absent = [cell for cell in self.cells if not self.store.weights(cell["tokenizer"]).exists()]
        failed = self._train_or_fail(list({cell["tokenizer"]: cell for cell in absent}.values()))
        for cell in self.cells:
            if cell["tokenizer"] in failed:
                self._write_failure(cell, failed[cell["tokenizer"]], "train")
            else:
                self._evaluate_or_fail(cell)

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

    def _evaluate_or_fail(self, cell: JSON) -> None:
        """Measure what the cell's former record does not hold, and write the new one; nothing measured is lost."""
        begun = time.time()
        former = cell["former"]
        record: JSON = {part: former[part] for part in KEPT}
        try:
            self._check_code(cell)
            self._evaluate(cell, record)
        except Exception as error:
            self._write_failure(cell, error, "evaluate", record)
            return
        self._write(cell, {"status": DONE, "started": begun} | record)

    def _evaluate(self, cell: JSON, record: JSON) -> None:
        tick = time.process_time()
        data = load_data(cell)
        model, history, record["train_seconds"] = self.workshop.load(cell, data.width)
        if history.diverged:
            raise DivergedError("the reconstruction error is not finite")
        record["history"] = {"train": history.train, "validation": history.validation}
        sequences = {split: len(frames) for split, frames in data.frames.items()}
        record["data"] = {
            "sha256": data.content_hash(),
            "notes": dict(data.notes),
            "unit": data.unit,
            "sequences": sequences,
        }
        subject = self._subject(cell, data, model, history)
        overhead = time.process_time() - tick
        for name in cell["missing"]:
            tick = time.process_time()
            try:
                self._measure(cell, name, subject, record)
            except DivergedError:
                raise
            except Exception as error:
                raise MetricError(f"metric {name} raised {type(error).__name__}: {error}") from error
            record["metric_seconds"][name] = time.process_time() - tick
        record["eval_seconds"] = overhead + math.fsum(record["metric_seconds"].values())

    def _subject(self, cell: JSON, data: datasets.Sequences, model: Autoencoder, history: History) -> Trained:
        """What is measured: the trained tokenizer, or what the cell's control makes of it."""
        if cell["quantizer"] == "none":
            return unquantized(model, data, self.device)
        seeds = {"data_seed": cell["data_seed"], "train_seed": cell["train_seed"]}
        subject = trained(model, data, self.device, **seeds, protocol=self.workshop.protocol, history=history)
        if not cell["control"]:
            self.workshop.save_codes(cell, subject)
            return subject
        from bench.controls import with_shuffled_tokens, with_sorted_codes  # heavy, and few cells need it

        if cell["control"] == SORTED:
            return with_sorted_codes(subject, tokenize(model, flat_frames(data, "val", self.device))[0])
        if cell["control"] == SHUFFLED:
            return with_shuffled_tokens(subject)
        return subject

    def _measure(self, cell: JSON, name: str, subject: Trained, record: JSON) -> None:
        function = METRICS[name].function
        assert function is not None
        if cell["control"] == SHUFFLED_GRID:
            from bench.controls import null_values

            draws = null_values(subject, function)
            record["null"][name] = draws
            value = math.fsum(draws) / len(draws) if draws else None
        else:
            value = function(subject)
        if not isinstance(value, int | float | None):
            raise TypeError(f"expected a float or None, got {type(value).__name__}; return value.item()")
        if value is not None and not math.isfinite(value):
            raise DivergedError(f"metric {name} is {value}")
        record["metrics"][name] = value

    def _write_failure(self, cell: JSON, error: Exception, stage: str, record: JSON | None = None) -> None:
        diverged = isinstance(error, DivergedError)
        if not diverged:
            traceback.print_exception(error)  # into the job's log
        told = {
            "type": type(error).__name__,
            "message": str(error),
            "stage": stage,
            "traceback": None if diverged else self.store.log(self.cells[0]["tokenizer"]).name,
        }
        self._write(cell, (record or {}) | {"status": DIVERGED if diverged else FAILED, "error": told})

    def _write(self, cell: JSON, values: JSON) -> None:
        record: Record = {
            "key": cell["key"],
            "cell": {name: value for name, value in cell.items() if name not in ("former", "missing", "metric_keys")},
            "metric_keys": cell["metric_keys"],
            "device": self.device,
            "environment": self.environment,
            "finished": time.time(),
        }
        if not self.trains and values["status"] != DONE and self.store.path(cell["key"]).exists():
            # What was measured before is worth more than that it cannot be measured here and now.
            write_json(self.store.failure(cell["key"]), record | values)
        else:
            self.store.write(record | values)
