"""The tokenizer of a cell: built, trained, kept beside its record and loaded again."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

import datasets
from bench.errors import ChangedError, DamagedError
from bench.execution.measure import flat_frames
from bench.kernels.clock import seconds
from bench.metrics import Trained
from bench.planning.keys import digest, known
from bench.planning.protocol import Protocol
from bench.planning.relocation import located
from bench.records.files import check_readable, write_bytes
from bench.records.store import Store
from bench.records.typecheck import check
from bench.training.autoencoder import Autoencoder, build
from bench.training.contract import check_contract
from bench.training.loop import train
from bench.training.schedule import History

JSON = dict[str, Any]


def load_data(cell: JSON) -> datasets.Sequences:
    """The sequences of a cell's data seed.

    Raises:
        ChangedError: The files are not those that the run was planned with.
    """
    recipe = cell.get("recipe")  # records of former versions have none
    parameters = located(cell["dataset"], cell["dataset_parameters"], recipe or {})
    dataset = datasets.create(cell["dataset"], **parameters)
    reason = dataset.missing()
    if reason:
        moved = "; a file of that name and content in the data directory (--data-dir) is taken for it"
        raise FileNotFoundError(reason + moved * dataset.located)
    if recipe and digest(dataset.recipe()) != digest(recipe):
        raise ChangedError(f"the files of {cell['dataset']} are not those that this run was planned with")
    return datasets.draw(dataset, cell["data_seed"])


@dataclasses.dataclass(frozen=True)
class Workshop:
    """Where tokenizers of one protocol are made.

    Attributes:
        store: Keeps their weights.
        device: "cpu" or "cuda".
        protocol: With the cells' codebook size in it.
        spent: Seconds so far on data and on writing tensors.
    """

    store: Store
    device: str
    protocol: Protocol
    spent: dict[str, float] = dataclasses.field(default_factory=lambda: dict.fromkeys(("data", "write"), 0.0))
    _loaded: dict[str, datasets.Sequences] = dataclasses.field(default_factory=dict)

    def data(self, cell: JSON) -> datasets.Sequences:
        """The sequences of a cell's data seed, made or read once."""
        parts = (cell["dataset"], cell["data_seed"], cell["dataset_parameters"])
        key = json.dumps(parts, sort_keys=True)
        if key not in self._loaded:
            with self._spending("data"):
                self._loaded[key] = load_data(cell)
        return self._loaded[key]

    def train(self, cells: list[JSON]) -> None:
        """Train cells that differ in their seeds alone as one batch, and keep their weights."""
        data = [self.data(cell) for cell in cells]
        with self._spending("data"):
            frames = [flat_frames(each, "train", self.device) for each in data]
            validation = [flat_frames(each, "val", self.device) for each in data]
        models = [self._build(cell, each.width) for cell, each in zip(cells, data, strict=True)]
        schedule, quantizer = self.protocol.schedule, cells[0]["quantizer"]
        seeds = [cell["train_seed"] for cell in cells]
        begun = seconds(self.device)
        if known(quantizer):
            check_contract(models[0], frames[0][: schedule.batch])
            histories = train(models, frames, validation, seeds, schedule, ceiling=cells[0]["ceiling"])
        else:
            from bench.training.references import train_reference  # scikit-learn is heavy, and few cells need it

            parts = zip(models, frames, validation, seeds, strict=True)
            histories = [train_reference(quantizer, *part, schedule) for part in parts]
        cost = (seconds(self.device) - begun) / len(cells)
        with self._spending("write"):
            for cell, model, history in zip(cells, models, histories, strict=True):
                tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
                metadata = {"train_seconds": repr(cost), "history": json.dumps(dataclasses.asdict(history))}
                _save(self.store.weights(cell["tokenizer"]), tensors, metadata)

    def load(self, cell: JSON, width: int) -> tuple[Autoencoder, History, float]:
        """The trained model, its learning curve and the seconds that it took."""
        model = self._build(cell, width)
        path = self.store.weights(cell["tokenizer"])
        try:
            check_readable(path)
            with safe_open(path, "pt") as file:
                state = {name.removeprefix("model."): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                metadata = file.metadata()
            model.load_state_dict(state)
            history, cost = History(**json.loads(metadata["history"])), float(metadata["train_seconds"])
            check(history, History, "history")
        except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise DamagedError(
                f"{path} cannot be read ({type(error).__name__}: {' '.join(str(error).split())}); remove it, and bench "
                "run trains that cell anew"
            ) from None
        model.eval()
        return model, history, cost

    def save_codes(self, cell: JSON, trained: Trained) -> None:
        """Keep tokens of every split, code vectors, their places, and each code decoded to data units."""
        tensors = {f"codes.{split}": codes.int() for split, codes in trained.tokens.items()}
        tensors["codebook"] = trained.codebook
        if trained.positions is not None:
            tensors["positions"] = trained.positions
        tensors["prototypes"] = torch.from_numpy(trained.data.inverse(trained.prototypes.cpu().numpy()))
        with self._spending("write"):
            _save(self.store.codes(cell["key"]), tensors)

    @contextlib.contextmanager
    def _spending(self, part: str) -> Iterator[None]:
        begun = seconds(self.device)
        yield
        self.spent[part] += seconds(self.device) - begun

    def _build(self, cell: JSON, width: int) -> Autoencoder:
        name, hidden, seed = cell["quantizer"], cell["capacity"]["hidden"], cell["train_seed"]
        size = self.protocol.codebook_size
        if known(name):
            model = build(name, cell["parameters"], num_codes=size, width=width, hidden=hidden, seed=seed)
        else:
            from bench.training.references import build_reference

            model = build_reference(name, num_codes=size, width=width, hidden=hidden, seed=seed)
        return model.to(self.device)


def _save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write safetensors atomically; the package's own writer takes the right to read from all but the user."""
    write_bytes(path, save({name: value.contiguous().cpu() for name, value in tensors.items()}, metadata))
