"""Jobs on other machines: what travels there, what runs there, and how results come into the store.

No file system is shared. A job travels as a parcel: what the child reads, the weights that it goes on from, and the
SHA-256 of plug-in and data files, which an engine sends once or puts into each parcel. The child writes into a folder
of its own; what it wrote travels back, and the driver alone writes the store.
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

SUFFIXES = (".safetensors", ".codes.safetensors", ".log", ".failure", ".json")  # a record comes last: it tells of all
LONGEST_LOG = 1 << 20
DATA, LOCATED = "data/", "located/"  # in a job's folder: what the data directory holds, and files of the user's own


@functools.cache
def identity() -> JSON:
    """Version and SHA-256 of the sources that jobs run: those of driver and worker have to agree."""
    digest = hashlib.sha256()
    for path in sorted(path for name in OURS for path in (ROOT / name).rglob("*.py")):
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0{file_hash(path)}\n".encode())
    return {"version": version(), "sources": digest.hexdigest()}


def disagreement(worker: str, theirs: JSON) -> str:
    """One line for a worker that has other sources than the driver."""
    ours = identity()
    told = [f"version {each['version']}, sources {each['sources'][:12]}" for each in (theirs, ours)]
    return f"worker {worker} has quantizer-bench {told[0]}, the driver {told[1]}; install one checkout on both"


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Luggage:
    """Files that every job of a run needs where it runs.

    Attributes:
        plugins: Plug-in on this machine -> its name in the job's folder, or of a module installed on the workers.
        places: Name in the job's folder -> SHA-256.
        files: SHA-256 -> the file on this machine.
        located: Path of a user's own file of data on this machine -> its name in the job's folder.
    """

    plugins: Mapping[str, str]
    places: Mapping[str, str]
    files: Mapping[str, Path]
    located: Mapping[str, str]

    def contents(self) -> dict[str, bytes]:
        """SHA-256 -> bytes."""
        return {digest: path.read_bytes() for digest, path in self.files.items()}


def luggage(plugins: Iterable[str], data: Mapping[str, Path]) -> Luggage:
    """What to send: plug-in files with the modules that they import and that no distribution installs, and data files.

    Args:
        plugins: Paths of files, or names of modules.
        data: What `data_files` returns.
    """
    names, places = dict[str, str](), dict(data)
    for number, plugin in enumerate(plugins):
        path = Path(plugin)
        if not path.is_file():
            names[plugin] = plugin
            continue
        for each, root in sources(path).items():
            if not any(each.is_relative_to(ROOT / name) for name in OURS):
                places[f"plugins/{number}/{each.relative_to(root).as_posix()}"] = each
        path = path.resolve()
        names[plugin] = f"plugins/{number}/{path.relative_to(root_of(path)).as_posix()}"
    hashes = {name: file_hash(path) for name, path in places.items()}
    located = {str(path): name for name, path in data.items() if name.startswith(LOCATED)}
    return Luggage(names, hashes, {hashes[name]: path for name, path in places.items()}, located)


def data_files(used: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Path]:
    """Name in a job's folder -> file, of all that datasets (name, parameters) read.

    Raises:
        UsageError: A file lies elsewhere, where a worker would not look.
    """
    root = data_directory().resolve()
    found = {}
    for name, parameters in used:
        dataset = datasets.get(name)(**parameters)
        for path in dataset.files():
            if dataset.located:
                found[f"{LOCATED}{path.name}"] = path
                continue
            if not path.resolve().is_relative_to(root):
                raise UsageError(f"dataset {name} reads {path}; a cluster is sent files of {root} alone: move it there")
            found[f"{DATA}{path.resolve().relative_to(root).as_posix()}"] = path
    return found


@dataclass(frozen=True)
class Parcel:
    """A job as a worker gets it.

    Attributes:
        job: The job, its plug-ins by their names in the job's folder.
        former: Name -> bytes of what the store holds of its cells.
        places: Name in the job's folder -> SHA-256 of a file that jobs share.
        contents: SHA-256 -> bytes of those that the worker has not got.
        identity: The driver's.
        flag: A file that the driver removes when it waits no more, for workers that can see it.
    """

    job: Job
    former: Mapping[str, bytes]
    places: Mapping[str, str]
    contents: Mapping[str, bytes]
    identity: JSON
    flag: str = ""


@dataclass(frozen=True)
class Delivery:
    """What comes back.

    Attributes:
        outcome: How the child ended.
        files: Name -> bytes of what it wrote.
        identity: The worker's, where it is not the driver's and nothing was run.
    """

    outcome: Outcome
    files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    identity: JSON | None = None


def pack(job: Job, store: Store, shared: Luggage, contents: Mapping[str, bytes]) -> Parcel:
    """Pack a job with what the store holds of its cells: weights to go on from, and records not to lose."""
    travelling = _moved(job, shared.located, shared.plugins)
    paths = [store.weights(cell.tokenizer_key) for cell in job.cells]
    paths += [store.path(cell.key) for cell in job.cells]
    former = {path.name: path.read_bytes() for path in paths if path.exists()}
    return Parcel(dataclasses.replace(travelling, environment=None), former, shared.places, contents, identity())


def perform(parcel: Parcel, cache: Path | None = None, wanted: Callable[[], bool] | None = None) -> Delivery:
    """Run a job on this machine in a folder of its own: what a worker does.

    Args:
        parcel: The job.
        cache: Folder of shared files that were sent before, by SHA-256.
        wanted: Whether the driver still waits for it; asked every half second. Without it the flag tells.
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
        for place, digest in parcel.places.items():
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            if digest in parcel.contents:
                (folder / place).write_bytes(parcel.contents[digest])
            elif cache is not None and place.startswith((DATA, LOCATED)):
                (folder / place).symlink_to(cache / digest)  # it may be large
            elif cache is not None:
                shutil.copyfile(cache / digest, folder / place)  # a plug-in is known by its name
        here = {place: str(folder / place) for place in parcel.places}
        job = _moved(parcel.job, here, here)
        children = Children({"BENCH_DATA": str(folder / "data")} if (folder / "data").exists() else None)
        with _ended_when_unwanted(children, wanted):
            outcome = job.run_here(store, children)
        return Delivery(outcome, _written(store, parcel.former))


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
    """What is in the job's folder now and was not before."""
    files = {}
    paths = [*store.cells.iterdir(), *store.root.glob("environments/*.json")]
    for path in (path for path in paths if not path.name.startswith(".")):
        with path.open("rb") as file:
            if path.suffix == ".log":
                file.seek(max(0, path.stat().st_size - LONGEST_LOG))
            content = file.read()
        if former.get(path.name) != content:
            files[path.relative_to(store.root).as_posix()] = content
    return files


def unpack(delivery: Delivery, job: Job, store: Store) -> Outcome:
    """Put what came back into the store; nothing that is not a job's own has a place there.

    Raises:
        UsageError: The worker has other sources than the driver.
    """
    if delivery.identity is not None:
        raise UsageError(disagreement("of the executor", delivery.identity))
    names = {name: content for name, content in delivery.files.items() if _expected(name, job)}
    for name, content in sorted(names.items(), key=lambda item: _rank(item[0])):
        path = store.root / name
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
    for cell in job.cells:
        for key in (cell.key, cell.tokenizer_key):
            if name in {f"cells/{key}{suffix}" for suffix in SUFFIXES}:
                return True
    return False


def _rank(name: str) -> int:
    return max(index for index, suffix in enumerate(SUFFIXES) if name.endswith(suffix))
