"""Tokenizer of a cell as a folder, which `quantizers.load_tokenizer` reads without the harness."""

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

import datasets
import quantizers
from bench import plugins
from bench.errors import ChangedError, DamagedError, UsageError
from bench.execution.tokenizers import TokenizerStore, load_data
from bench.metrics import METRICS
from bench.planning import cells
from bench.planning.cells import Cell
from bench.planning.keys import is_family
from bench.planning.protocol import Protocol
from bench.records.files import check_readable, read_json
from bench.records.record import Record
from bench.records.store import Store
from bench.training.autoencoder import Autoencoder
from bench.typing import JSON
from bench.vocabulary import DONE
from quantizers.tokenizer import TRANSFORM, Tokenizer
from reports.pages import card

SHOWN = 6
"""Number of choices that an error lists."""

TOLERANCE = 1e-3
"""Largest difference of a decoded code, in standard deviations of a feature."""


def export(place: Path, folder: Path, *, quantizer: str = "", dataset: str = "", seed: int | None = None) -> list[str]:
    """Write the tokenizer of one cell into `folder`: weights, what they are, and a model card.

    Args:
        place: Path RUN/cells/KEY, where the key may be cut short, or folder of a run.
        folder: Folder to make; it must be absent or empty.
        quantizer: Row of the run, where `place` is a run.
        dataset: Dataset of the run, where `place` is a run.
        seed: Seed of the run, where `place` is a run.

    Returns:
        Lines for people that say what was written.

    Raises:
        UsageError: No cell or several are meant, the cell has no tokenizer of its own, or `folder` holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already; choose another folder, or remove it")
    store, record = _of_run(place, quantizer, dataset, seed) if place.is_dir() else _of_cell(place)
    cell = Cell.from_values(record["cell"])
    _check_exportable(cell, record)
    try:
        data = load_data(cell)
    except (ChangedError, ValueError, OSError) as error:
        raise UsageError(f"the data that {cell.row} was trained on are needed: {error}") from None
    tokenizers = TokenizerStore(store, "cpu", Protocol.from_values(cell.protocol))
    try:
        model = tokenizers.load(cell, data.width).model
    except DamagedError as error:
        raise UsageError(str(error)) from None
    tokenizer = make(cell, model, data, record)
    _check_same(tokenizer, store.codes(cell.key), data)
    text = card.card(
        tokenizer={"features": tokenizer.features, "code_sizes": tokenizer.code_sizes},
        cell=cell.values(),
        metrics=[{"name": name, "summary": METRICS[name].summary} for name in METRICS],
        record=record,
        dataset=_facts(cell, data),
        environment=_environment(store, record),
    )
    _write(tokenizer, text, folder)
    return [
        f"{cell.row} on {cell.dataset}, seed {cell.seed}: {tokenizer.num_codes} codes -> {folder}",
        f'quantizers.load_tokenizer("{folder}") takes and gives frames of {tokenizer.features} features',
    ]


def make(cell: Cell, model: Autoencoder, data: datasets.Sequences, record: Record) -> Tokenizer:
    """Make the tokenizer of a trained model, with the linear maps of its data."""
    quantizer = cell.quantizer if is_family(cell.quantizer) else "vq"  # k-means is kept as plain code vectors
    family, values = quantizers.get(quantizer)
    about = {
        "row": cell.row,
        "dataset": cell.dataset,
        "real": cell.real,
        "unit": data.unit,
        "protocol": cell.protocol["name"],
        "seed": cell.seed,
        "key": record["key"],
    }
    tokenizer = Tokenizer(
        family.name,
        values | cell.parameters,
        num_codes=cell.protocol["codebook_size"],
        code_dim=data.width,
        features=len(data.transform.mean),
        layers=(_layers(model.encoder), _layers(model.decoder)),
        about=about,
        plugin=_plugin(family.cls),
    )
    maps = {name: torch.from_numpy(getattr(data.transform, name)) for name in TRANSFORM}
    tokenizer.load_state_dict(model.state_dict() | maps)
    return tokenizer


def _of_cell(place: Path) -> tuple[Store, Record]:
    """Find the record whose key begins like the last part of the path."""
    begin = place.name.partition(".")[0]
    paths = [path for path in place.parent.glob("*.json") if path.name.startswith(begin)]
    if len(paths) != 1:
        problem = f"{len(paths)} cells have keys that begin with {begin!r}" if paths else "there is no such cell"
        raise UsageError(f"{place}: {problem}; expected RUN/cells/KEY with a key of results.csv, or a run folder")
    store = Store(place.parent.parent, writable=False)
    record = _read(store, paths[0].stem)
    if record is None:
        raise UsageError(f"{paths[0]} is no cell of a run; expected RUN/cells/KEY")
    return store, record


def _of_run(folder: Path, quantizer: str, dataset: str, seed: int | None) -> tuple[Store, Record]:
    """Find the one cell of a run that has these values."""
    store = Store(folder, writable=False)
    planned = cells.as_kept(store.plan(), store.root / "plan.json").cells
    meant = []
    for cell in planned:
        if quantizer in ("", cell.row) and dataset in ("", cell.dataset) and seed in (None, cell.seed):
            meant.append(cell)
    if len(meant) != 1:
        choices = list(map(_named, meant or planned))
        shown = "; ".join(choices[:SHOWN])
        more = f"; and {len(choices) - SHOWN} more" if len(choices) > SHOWN else ""
        problem = "no cell is that" if not meant else f"{len(meant)} cells are that"
        raise UsageError(f"{folder}: {problem}; choose one with --quantizer, --dataset and --seed: {shown}{more}")
    record = _read(store, meant[0].key)
    if record is None:
        raise UsageError(f"{_named(meant[0])} of {folder} has not been trained; bench run goes on with it")
    return store, record


def _read(store: Store, key: str) -> Record | None:
    try:
        return store.read(key)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _named(cell: Cell) -> str:
    return f"{cell.row} {cell.dataset} seed {cell.seed}"


def _check_exportable(cell: Cell, record: Record) -> None:
    name = f"{cell.row} on {cell.dataset}, seed {cell.seed},"
    if record["status"] != DONE:
        raise UsageError(f"{name} is {record['status']}; a cell that is done can be exported")
    if cell.control:
        raise UsageError(f"{name} is a control made of {cell.quantizer}; export that")
    if cell.quantizer == "none":
        raise UsageError(f"{name} is an autoencoder without codes, so there is no tokenizer to export")
    if not is_family(cell.quantizer) and cell.quantizer != "kmeans":
        broken = plugins.broken("quantizer", cell.quantizer.partition(":")[0])
        raise UsageError(broken or f"{name} was made by a plug-in; add --plugin PATH")


def _check_same(tokenizer: Tokenizer, path: Path, data: datasets.Sequences) -> None:
    """Check that every code decodes to what the run recorded: principal components differ between machines."""
    try:
        check_readable(path)
        with safe_open(path, "pt") as file:
            recorded = file.get_tensor("prototypes")
            several = len(tokenizer.code_sizes) > 1
            decoded = tokenizer.decode(file.get_tensor("combinations")) if several else tokenizer.prototypes
        if recorded.shape != decoded.shape:
            raise ValueError(f"prototypes of shape {tuple(recorded.shape)}, not {tuple(decoded.shape)}")
    except (OSError, SafetensorError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read ({' '.join(str(error).split())}); bench evaluate writes it again"
        ) from None
    scale = torch.from_numpy(data.transform.scale)
    worst = float((decoded - recorded)[:, scale > 0].div(scale[scale > 0]).abs().max())
    if not worst <= TOLERANCE:
        raise UsageError(
            f"this machine computes other principal components than the run (codes decode {worst:.2g} standard "
            "deviations apart); export on the machine of the run"
        )


def _layers(network: nn.Sequential) -> list[tuple[int, int]]:
    return [(layer.in_features, layer.out_features) for layer in network if isinstance(layer, nn.Linear)]


def _plugin(cls: type) -> str:
    """Name of the file or module of a family that is a plug-in; "" for a family of ours."""
    module = cls.__module__
    if module.partition(".")[0] == "quantizers":
        return ""
    return plugins.source(module)


def _facts(cell: Cell, data: datasets.Sequences) -> JSON:
    cls = datasets.get(cell.dataset)
    # The path of a file is private; its identity is in the recipe.
    parameters = cell.portable_parameters
    return {
        "source": cls.source,
        "licence": cls.licence,
        "frame": cls.frame,
        "real": data.real,
        "unit": data.unit,
        "facts": parameters | dict(data.notes) | cell.recipe,
    }


def _environment(store: Store, record: Record) -> Mapping[str, Any]:
    try:
        facts = read_json(store.root / "environments" / f"{record['environment']}.json")
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _write(tokenizer: Tokenizer, text: str, folder: Path) -> None:
    """Write everything beside the folder and rename it, so that it is there whole or not at all."""
    folder = folder.absolute()
    partial = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        partial.mkdir(parents=True)
        tokenizer.save(partial)
        (partial / "README.md").write_text(text, encoding="utf-8", errors="backslashreplace")
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    except OSError as error:
        raise UsageError(f"cannot write {folder} ({error.strerror or error}); choose another folder") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
