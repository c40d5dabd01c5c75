"""Jobs on other machines: parcels that travel there, and deliveries that come back into the store.

No file system is shared. A parcel holds the job, the weights that it goes on from, and the SHA-256 of plug-in and data
files, which an engine sends once or puts into every parcel. The child writes into a folder of its own. Its files travel
back, and the driver alone writes the store.
"""

import dataclasses
import functools
import hashlib
import json
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
from bench._checkout import ROOT
from bench.errors import UsageError
from bench.execution.engine import Children, Job, Outcome
from bench.plugins.fingerprint import sources
from bench.plugins.module_files import OURS
from bench.plugins.module_files import root as root_of
from bench.records.environment import version
from bench.records.files import write_bytes, write_json
from bench.records.store import Store
from bench.typing import JSON
from datasets.store import data_directory

SUFFIXES = (".safetensors", ".codes.safetensors", ".log", ".failure", ".json")
"""Endings of a cell's files in the order of writing: the record comes last, because it names the others."""

LONGEST_LOG = 1 << 20
"""Bytes of a log that travel back: its end."""

DATA, LOCATED = "data/", "located/"
"""Folders in a job's folder: the contents of the data directory, and the user's own files."""


@functools.cache
def identity() -> JSON:
    """Version and SHA-256 of the sources that jobs run; driver and worker have to agree on them."""
    digest = hashlib.sha256()
    paths: list[Path] = []
    for name in OURS:
        paths += (ROOT / name).rglob("*.py")
    for path in sorted(paths):
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0{file_hash(path)}\n".encode())
    return {"version": version(), "sources": digest.hexdigest()}


def disagreement(worker: str, theirs: JSON) -> str:
    """Message about a worker that has other sources than the driver, in one line."""
    workers, drivers = _shown(theirs), _shown(identity())
    return f"worker {worker} has quantizer-bench {workers}, the driver {drivers}; install one checkout on both"


def _shown(identity: JSON) -> str:
    return f"version {identity['version']}, sources {identity['sources'][:12]}"


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, kw_only=True)
class Luggage:
    """Files that every job of a run needs where it runs.

    Attributes:
        plugins: Plug-in on this machine -> its name in the job's folder, or name of a module that workers have.
        places: Name in the job's folder -> SHA-256 of the file.
        files: SHA-256 -> path of the file on this machine.
        located: Path of a user's own file of data on this machine -> its name in the job's folder.
    """

    plugins: Mapping[str, str]
    places: Mapping[str, str]
    files: Mapping[str, Path]
    located: Mapping[str, str]

    def contents(self) -> dict[str, bytes]:
        """SHA-256 -> bytes of the file."""
        return {digest: path.read_bytes() for digest, path in self.files.items()}


def luggage(plugins: Iterable[str], data: Mapping[str, Path]) -> Luggage:
    """Collect the files to send: data files, and plug-in files with the modules that they import.

    Modules that a distribution installs stay; workers must have them.

    Args:
        plugins: Paths of files, or names of modules.
        data: Name in a job's folder -> file, see `data_files`.
    """
    names, places = dict[str, str](), dict(data)
    for number, plugin in enumerate(plugins):
        path = Path(plugin)
        if not path.is_file():
            names[plugin] = plugin
            continue
        for source, root in sources(path).items():
            if not any(source.is_relative_to(ROOT / name) for name in OURS):
                places[f"plugins/{number}/{source.relative_to(root).as_posix()}"] = source
        path = path.resolve()
        names[plugin] = f"plugins/{number}/{path.relative_to(root_of(path)).as_posix()}"
    hashes = {name: file_hash(path) for name, path in places.items()}
    located = {str(path): name for name, path in data.items() if name.startswith(LOCATED)}
    files = {hashes[name]: path for name, path in places.items()}
    return Luggage(plugins=names, places=hashes, files=files, located=located)


def data_files(used: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Path]:
    """Name in a job's folder -> file, for all files that datasets (name, parameters) read.

    Raises:
        UsageError: A file lies outside the data directory, where a worker would not look.
    """
    root = data_directory().resolve()
    files = {}
    for name, parameters in used:
        dataset = datasets.get(name)(**parameters)
        for path in dataset.files():
            if dataset.located:
                files[f"{LOCATED}{path.name}"] = path
                continue
            if not path.resolve().is_relative_to(root):
                raise UsageError(f"dataset {name} reads {path}; a cluster is sent files of {root} alone: move it there")
            files[f"{DATA}{path.resolve().relative_to(root).as_posix()}"] = path
    return files


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A job as a worker gets it.

    Attributes:
        job: Job whose plug-ins have the names of the job's folder.
        former: Name -> bytes of the files that the store holds of its cells.
        places: Name in the job's folder -> SHA-256 of a file that jobs share.
        contents: SHA-256 -> bytes of the shared files that the worker does not have.
        identity: Version and sources of the driver.
        flag: Path of a file that the driver removes when it waits no more, for workers that can see it.
    """

    job: Job
    former: Mapping[str, bytes]
    places: Mapping[str, str]
    contents: Mapping[str, bytes]
    identity: JSON
    flag: str = ""


@dataclass(frozen=True)
class Delivery:
    """The result of a job as it travels back.

    Attributes:
        outcome: End of the child process.
        files: Name -> bytes of the files that the child wrote.
        identity: Version and sources of the worker, where they differ from the driver's and nothing was run.
    """

    outcome: Outcome
    files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    identity: JSON | None = None


def pack(job: Job, store: Store, shared: Luggage, contents: Mapping[str, bytes]) -> Parcel:
    """Pack a job with the files that the store holds of its cells: weights to go on from, and former records."""
    travelling = _moved(job, shared.located, shared.plugins)
    paths = [store.weights(cell.tokenizer_key) for cell in job.cells]
    paths += [store.path(cell.key) for cell in job.cells]
    former = {path.name: path.read_bytes() for path in paths if path.exists()}
    return Parcel(
        job=dataclasses.replace(travelling, environment=None),
        former=former,
        places=shared.places,
        contents=contents,
        identity=identity(),
    )


def perform(parcel: Parcel, cache: Path | None = None, wanted: Callable[[], bool] | None = None) -> Delivery:
    """Run a job on this machine in a folder of its own, as a worker does.

    Args:
        parcel: Job with the files that it needs.
        cache: Folder of shared files that were sent before, by SHA-256.
        wanted: Function that says whether the driver still waits, called every half second; by default the flag says.
    """
    if wanted is None and parcel.flag and Path(parcel.flag).exists():
        wanted = Path(parcel.flag).exists
    if parcel.identity != identity():
        return Delivery(Outcome(1, timed_out=False), identity=identity())
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        store = Store(folder)
        for former, content in parcel.former.items():
            (store.cells / former).write_bytes(content)
        _lay_out(parcel, folder, cache)
        here = {place: str(folder / place) for place in parcel.places}
        job = _moved(parcel.job, here, here)
        children = Children({"BENCH_DATA": str(folder / "data")} if (folder / "data").exists() else None)
        with _ended_when_unwanted(children, wanted):
            outcome = job.run_here(store, children)
        return Delivery(outcome, _written(store, parcel.former))


def _lay_out(parcel: Parcel, folder: Path, cache: Path | None) -> None:
    """Put the shared files at their places in the job's folder."""
    for place, digest in parcel.places.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        if digest in parcel.contents:
            (folder / place).write_bytes(parcel.contents[digest])
        elif cache is not None and place.startswith((DATA, LOCATED)):
            (folder / place).symlink_to(cache / digest)  # it may be large
        elif cache is not None:
            shutil.copyfile(cache / digest, folder / place)  # a plug-in is known by its name


def _moved(job: Job, data: Mapping[str, str], plugins: Mapping[str, str]) -> Job:
    """The job with its files of data and its plug-ins at other places: present place -> new place."""
    tasks = []
    for task in job.tasks:
        parameters = task.cell.dataset_parameters
        path = data.get(str(parameters.get("path")))
        if path is not None:
            cell = dataclasses.replace(task.cell, dataset_parameters=parameters | {"path": path})
            task = dataclasses.replace(task, cell=cell)
        tasks.append(task)
    places = tuple(plugins.get(plugin, plugin) for plugin in job.plugins)
    return dataclasses.replace(job, tasks=tuple(tasks), plugins=places)


@contextmanager
def _ended_when_unwanted(children: Children, wanted: Callable[[], bool] | None) -> Iterator[None]:
    """Kill the child as soon as nobody waits for it."""
    over = threading.Event()

    def watch() -> None:
        while wanted is not None and not over.wait(0.5):
            if not wanted():
                children.close()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _written(store: Store, former: Mapping[str, bytes]) -> dict[str, bytes]:
    """Name -> bytes of the files in the job's folder that were not there before, or have changed."""
    files = {}
    for path in (*store.cells.iterdir(), *store.root.glob("environments/*.json")):
        if path.name.startswith("."):
            continue
        with path.open("rb") as file:
            if path.suffix == ".log":
                file.seek(max(0, path.stat().st_size - LONGEST_LOG))
            content = file.read()
        if former.get(path.name) != content:
            files[path.relative_to(store.root).as_posix()] = content
    return files


def unpack(delivery: Delivery, job: Job, store: Store) -> Outcome:
    """Put the files of a delivery into the store; only the job's own files have a place there.

    Raises:
        UsageError: The worker has other sources than the driver.
    """
    if delivery.identity is not None:
        raise UsageError(disagreement("of the executor", delivery.identity))
    for name in sorted((name for name in delivery.files if _expected(name, job)), key=_rank):
        content, path = delivery.files[name], store.root / name
        if name.startswith("cells/") and path.suffix == ".json":
            # By this machine's clock: that of the worker may differ, and the run compares.
            record = json.loads(content) | {"finished": time.time()}
            for cell in job.cells:
                if cell.key == path.stem and "cell" in record:  # which tells where the worker had a file
                    record["cell"]["dataset_parameters"] = cell.dataset_parameters
            write_json(path, record)
        else:
            path.parent.mkdir(exist_ok=True)
            write_bytes(path, content)
    return delivery.outcome


def _expected(name: str, job: Job) -> bool:
    """Whether a file may come back from a job: a file of one of its cells, or its environment."""
    if re.fullmatch(r"environments/[0-9a-f]{16}\.json", name):
        return True
    folder, _, file = name.rpartition("/")
    keys = set()
    for cell in job.cells:
        keys |= {cell.key, cell.tokenizer_key}
    key, dot, suffix = file.partition(".")
    return folder == "cells" and key in keys and dot + suffix in SUFFIXES


def _rank(name: str) -> int:
    """Place in the order of writing."""
    return SUFFIXES.index("." + name.rpartition("/")[2].partition(".")[2])
