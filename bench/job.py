"""What one child process does: train some seeds of one pair, measure them, write their records.

Everything that can go wrong in a user's code goes wrong here and costs this job alone.
"""

import dataclasses
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
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

import datasets
import quantizers
from bench import plugins
from bench.metrics import METRICS, ReaderBudget, Trained
from bench.model import Autoencoder, reconstruct, tokenize
from bench.store import DIVERGED, DONE, FAILED, Record, Store
from bench.train import History, Schedule, train

SAMPLE = 2_000


class DivergedError(RuntimeError):
    """A number that should be finite is not."""


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
    _Job(spec).run()


def _die_with(driver: int) -> None:
    """End when the driver is gone: a job that nobody waits for must not keep a core busy."""
    while os.getppid() == driver:
        time.sleep(0.5)
    os._exit(1)


class _Job:
    def __init__(self, spec: dict[str, Any]) -> None:
        self.store = Store(Path(spec["root"]))
        self.cells: list[dict[str, Any]] = spec["cells"]
        self.device = spec["device"]
        self.schedule = Schedule(**spec["schedule"])
        self.budget = ReaderBudget(**spec["reader"])
        self.codebook_size = spec["codebook_size"]
        self.environment = spec["environment"]
        self.started = time.time()

    def run(self) -> None:
        try:
            self._train_missing()
        except Exception as error:
            for cell in self.cells:
                self._write_failure(cell, error)
            return
        for cell in self.cells:
            try:
                self._evaluate(cell)
            except Exception as error:
                self._write_failure(cell, error)

    def _data(self, cell: dict[str, Any]) -> datasets.Sequences:
        return datasets.load(cell["dataset"], seed=cell["data_seed"], **cell["dataset_parameters"])

    def _frames(self, data: datasets.Sequences, split: str) -> Tensor:
        return torch.from_numpy(data.frames[split].reshape(-1, data.width)).to(self.device)

    def _build(self, cell: dict[str, Any], width: int) -> Autoencoder:
        # A family may draw from the global generator as it is built; the fork keeps that draw to itself.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(cell["train_seed"])
            quantizer = quantizers.create(
                cell["quantizer"], num_codes=self.codebook_size, code_dim=width, **cell["parameters"]
            )
            return Autoencoder(quantizer, cell["capacity"]["hidden"]).to(self.device)

    def _train_missing(self) -> None:
        """Train the cells whose weights are not stored, as one batch of replicas, and store them."""
        cells = [cell for cell in self.cells if not self.store.weights(cell["key"]).exists()]
        if not cells:
            return
        data = [self._data(cell) for cell in cells]
        models = [self._build(cell, each.width) for cell, each in zip(cells, data, strict=True)]
        begun = time.process_time() if self.device == "cpu" else time.perf_counter()
        histories = train(
            models,
            [self._frames(each, "train") for each in data],
            [self._frames(each, "val") for each in data],
            [cell["train_seed"] for cell in cells],
            self.schedule,
        )
        ended = time.process_time() if self.device == "cpu" else time.perf_counter()
        for cell, model, history in zip(cells, models, histories, strict=True):
            self._save(cell, model, history, (ended - begun) / len(cells))

    def _save(self, cell: dict[str, Any], model: Autoencoder, history: History, seconds: float) -> None:
        tensors = {f"model.{name}": value.contiguous().cpu() for name, value in model.state_dict().items()}
        metadata = {"train_seconds": repr(seconds), "history": json.dumps(dataclasses.asdict(history))}
        path = self.store.weights(cell["key"])
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        save_file(tensors, temporary, metadata=metadata)
        temporary.replace(path)

    def _load(self, cell: dict[str, Any], width: int) -> tuple[Autoencoder, History, float]:
        model = self._build(cell, width)
        with safe_open(self.store.weights(cell["key"]), "pt") as file:
            state = {name.removeprefix("model."): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata()
        model.load_state_dict(state)
        model.eval()
        return model, History(**json.loads(metadata["history"])), float(metadata["train_seconds"])

    def _evaluate(self, cell: dict[str, Any]) -> None:
        """Measure what the cell's record does not hold yet, and write it."""
        begun = time.process_time()
        data = self._data(cell)
        model, history, train_seconds = self._load(cell, data.width)
        if history.diverged:
            raise DivergedError("the reconstruction error is not finite")
        former = cell["former"]
        values: dict[str, float | None] = dict(former.get("metrics", {}))
        seconds: dict[str, float] = dict(former.get("metric_seconds", {}))
        trained = self._trained(cell, data, model)
        record = {
            "key": cell["key"],
            "cell": {name: value for name, value in cell.items() if name not in ("former", "metric_keys")},
            "data": {"sha256": data.content_hash(), "notes": dict(data.notes), "unit": data.unit},
            "history": {"train": history.train, "validation": history.validation},
            "device": self.device,
            "environment": self.environment,
            "train_seconds": train_seconds,
            "started": self.started,
        }
        for name in cell["missing"]:
            tick = time.process_time()
            value = METRICS[name].function(trained)
            if value is not None and not math.isfinite(value):
                raise DivergedError(f"metric {name} is {value}")
            values[name] = value
            seconds[name] = time.process_time() - tick
        eval_seconds = time.process_time() - begun
        record |= {
            "status": DONE,
            "metrics": values,
            "metric_keys": cell["metric_keys"],
            "metric_seconds": seconds,
            "eval_seconds": eval_seconds,
            "finished": time.time(),
        }
        self._save_codes(cell, trained, model, data)
        self.store.write(record)

    def _trained(self, cell: dict[str, Any], data: datasets.Sequences, model: Autoencoder) -> Trained:
        quantizer = model.quantizer
        tokens, latents = {}, torch.empty(0)
        for split, frames in data.frames.items():
            latents, codes = tokenize(model, self._frames(data, split))
            _check_codes(codes, quantizer.num_codes)
            tokens[split] = codes.reshape(frames.shape[:2])
        decoded = reconstruct(model, tokens["test"].flatten())
        codebook = quantizer.codebook.detach()
        if not (codebook.isfinite().all() and decoded.isfinite().all()):
            raise DivergedError("the codebook or what it decodes to is not finite")
        order = torch.randperm(len(latents), generator=torch.Generator().manual_seed(cell["data_seed"]))
        return Trained(
            data=data,
            num_codes=quantizer.num_codes,
            tokens=tokens,
            decoded=decoded.reshape(data.frames["test"].shape),
            latents=latents,
            latent_codebook=quantizer.latent_codebook.detach(),
            codebook=codebook,
            positions=quantizer.positions,
            sample=order[:SAMPLE].sort().values.to(self.device),
            seed=cell["train_seed"],
            budget=self.budget,
        )

    def _save_codes(self, cell: dict[str, Any], trained: Trained, model: Autoencoder, data: datasets.Sequences) -> None:
        """Tokens of every split, code vectors, their places, and each code decoded to data units."""
        tensors = {f"codes.{split}": codes.int().cpu() for split, codes in trained.tokens.items()}
        tensors["codebook"] = trained.codebook.contiguous().cpu()
        if trained.positions is not None:
            tensors["positions"] = trained.positions.contiguous().cpu()
        everything = torch.arange(trained.num_codes, device=self.device)
        tensors["prototypes"] = torch.from_numpy(data.inverse(reconstruct(model, everything).cpu().numpy()))
        path = self.store.cells / f"{cell['key']}.codes.safetensors"
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        save_file(tensors, temporary)
        temporary.replace(path)

    def _write_failure(self, cell: dict[str, Any], error: Exception) -> None:
        diverged = isinstance(error, DivergedError)
        if not diverged:
            traceback.print_exception(error)  # into the job's log
        record: Record = {
            "key": cell["key"],
            "cell": {name: value for name, value in cell.items() if name not in ("former", "metric_keys")},
            "status": DIVERGED if diverged else FAILED,
            "error": {
                "type": type(error).__name__,
                "message": str(error),
                "traceback": None if diverged else self.store.log(self.cells[0]["key"]).name,
            },
            "device": self.device,
            "environment": self.environment,
            "finished": time.time(),
        }
        self.store.write(record)


def _check_codes(codes: Tensor, num_codes: int) -> None:
    if codes.dtype != torch.int64:
        raise TypeError(f"expected encode to return int64 codes, got {codes.dtype}")
    low, high = int(codes.min()), int(codes.max())
    if low < 0 or high >= num_codes:
        raise IndexError(f"expected encode to return codes in 0..{num_codes - 1}, got {low}..{high}")
