"""The tokenizer of a cell: built, trained, kept beside its record and loaded again."""

import contextlib
import dataclasses
import json
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

import datasets
from bench.errors import ChangedError, DamagedError
from bench.execution.measure import flat_frames
from bench.execution.task import CellTask
from bench.kernels.clock import seconds
from bench.metrics import Trained
from bench.planning.cells import Cell
from bench.planning.keys import digest, is_family
from bench.planning.protocol import Protocol
from bench.planning.relocation import located
from bench.records.files import check_readable, write_bytes
from bench.records.store import COMMON_CODES, Store
from bench.records.typecheck import check
from bench.training.autoencoder import Autoencoder, build
from bench.training.contract import check_contract
from bench.training.loop import train
from bench.training.schedule import History


def load_data(cell: Cell, data_seed: int | None = None) -> datasets.Sequences:
    """Load or generate the sequences of a data seed of a cell's dataset, by default the cell's.

    Raises:
        ChangedError: The files are not those that the run was planned with.
        FileNotFoundError: The data are not on this machine; the message says how to get them.
    """
    parameters = located(cell.dataset, cell.dataset_parameters, cell.recipe)
    dataset = datasets.create(cell.dataset, **parameters)
    reason = dataset.missing()
    if reason:
        moved = "; a file of that name and content in the data directory (--data-dir) is taken for it"
        raise FileNotFoundError(reason + moved * dataset.located)
    if cell.recipe and digest(dataset.recipe()) != digest(cell.recipe):
        raise ChangedError(f"the files of {cell.dataset} are not those that this run was planned with")
    return datasets.draw(dataset, cell.data_seed if data_seed is None else data_seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A model that was trained, with the record of its training.

    Attributes:
        model: Autoencoder with its quantizer, in evaluation mode.
        history: Learning curve of the training.
        seconds: Seconds of training; cells that were trained as one batch share them equally.
    """

    model: Autoencoder
    history: History
    seconds: float


class TokenizerStore:
    """Tokenizers of one protocol in the folder of a run: trained, kept and loaded.

    Args:
        store: Folder that keeps the weights.
        device: Device of training, "cpu" or "cuda".
        protocol: Protocol with the codebook size of the cells.
    """

    def __init__(self, store: Store, device: str, protocol: Protocol) -> None:
        self.store = store
        self.device = device
        self.protocol = protocol
        self.spent = {"data": 0.0, "write": 0.0}
        """Seconds spent so far on data and on writing tensors."""
        self._loaded: dict[str, datasets.Sequences] = {}

    def data(self, cell: Cell) -> datasets.Sequences:
        """Sequences of a cell's data seed, loaded or generated once."""
        return self._draw(cell, cell.data_seed)

    def common_frames(self, cell: Cell) -> Tensor:
        """Frames (N, width) that the tokenizers of all seeds of a dataset encode, as the cell's data project them."""
        transform, common = self.data(cell).transform, self._draw(cell, datasets.COMMON)
        projected = transform.project(transform.standardise(common.in_units("test")))
        return torch.from_numpy(projected.reshape(-1, projected.shape[-1])).to(self.device)

    def _draw(self, cell: Cell, data_seed: int) -> datasets.Sequences:
        key = json.dumps((cell.dataset, data_seed, cell.dataset_parameters), sort_keys=True)
        if key not in self._loaded:
            with self._spending("data"):
                self._loaded[key] = load_data(cell, data_seed)
        return self._loaded[key]

    def train(self, tasks: Sequence[CellTask]) -> None:
        """Train cells that differ in their seeds alone as one batch, and keep their weights."""
        cells = [task.cell for task in tasks]
        sequences = [self.data(cell) for cell in cells]
        with self._spending("data"):
            frames = [flat_frames(data, "train", self.device) for data in sequences]
            validation = [flat_frames(data, "val", self.device) for data in sequences]
        models = [self._build(cell, data.width) for cell, data in zip(cells, sequences, strict=True)]
        begun = seconds(self.device)
        histories = self._train(tasks, models, frames, validation)
        cost = (seconds(self.device) - begun) / len(cells)
        with self._spending("write"):
            for cell, model, history in zip(cells, models, histories, strict=True):
                tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
                metadata = {"train_seconds": repr(cost), "history": json.dumps(dataclasses.asdict(history))}
                _save(self.store.weights(cell.tokenizer_key), tensors, metadata)

    def _train(
        self,
        tasks: Sequence[CellTask],
        models: list[Autoencoder],
        frames: list[Tensor],
        validation: list[Tensor],
    ) -> list[History]:
        schedule, quantizer = self.protocol.schedule, tasks[0].cell.quantizer
        seeds = [task.cell.train_seed for task in tasks]
        if is_family(quantizer):
            check_contract(models[0], frames[0][: schedule.batch])
            return train(models, frames, validation, seeds, schedule, ceiling=tasks[0].ceiling)
        from bench.training.references import train_reference  # scikit-learn is heavy, and few cells need it

        parts = zip(models, frames, validation, seeds, strict=True)
        return [train_reference(quantizer, *part, schedule) for part in parts]

    def load(self, cell: Cell, width: int) -> TrainedModel:
        """Load the trained model of a cell.

        Args:
            cell: Cell whose tokenizer was trained.
            width: Number of features of a frame.

        Raises:
            DamagedError: The file of its weights cannot be read.
        """
        model = self._build(cell, width)
        path = self.store.weights(cell.tokenizer_key)
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
        return TrainedModel(model=model, history=history, seconds=cost)

    def save_codes(self, cell: Cell, trained: Trained) -> None:
        """Keep the tokens of every split, the code vectors, their positions, and every code decoded to data units.

        Tokens of several indices are kept as rows of the combinations that occur, which have a tensor of their own.

        The codes (N,) of the common frames are kept too, where the dataset has them.
        """
        tensors = {f"codes.{split}": codes.int() for split, codes in trained.tokens.items()}
        common = self._common_codes(cell, trained)
        if common is not None:
            tensors[COMMON_CODES] = common.int()
        tensors["codebook"] = trained.codebook
        if trained.positions is not None:
            tensors["positions"] = trained.positions
        if trained.combinations is not None:
            tensors["combinations"] = trained.combinations
        tensors["prototypes"] = torch.from_numpy(trained.data.inverse(trained.prototypes.cpu().numpy()))
        with self._spending("write"):
            _save(self.store.codes(cell.key), tensors)

    def _common_codes(self, cell: Cell, trained: Trained) -> Tensor | None:
        """Codes (N,) of the common frames; None for a control, and where the dataset cannot draw these frames."""
        if trained.encode is None:
            return None
        try:
            codes = trained.encode(self.common_frames(cell))
            return codes if codes.dim() == 1 else torch.unique(codes, dim=0, return_inverse=True)[1]
        except Exception:
            # A plug-in may have no such seed, which is no reason to lose everything else.
            traceback.print_exc()
            return None

    @contextlib.contextmanager
    def _spending(self, part: str) -> Iterator[None]:
        begun = seconds(self.device)
        yield
        self.spent[part] += seconds(self.device) - begun

    def _build(self, cell: Cell, width: int) -> Autoencoder:
        name, hidden, seed = cell.quantizer, cell.capacity.hidden, cell.train_seed
        size = self.protocol.codebook_size
        if is_family(name):
            model = build(name, cell.parameters, num_codes=size, width=width, hidden=hidden, seed=seed)
        else:
            from bench.training.references import build_reference

            model = build_reference(name, num_codes=size, width=width, hidden=hidden, seed=seed)
        return model.to(self.device)


def _save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write safetensors atomically; the writer of that package would let nobody but the user read the file."""
    write_bytes(path, save({name: value.contiguous().cpu() for name, value in tensors.items()}, metadata))
