"""Present place of a user's own file: the same bytes in another folder or on another machine are the same data."""

from pathlib import Path

from bench.typing import JSON
from datasets.store import data_directory, file_sha256


def located(dataset: str, parameters: JSON, recipe: JSON) -> JSON:
    """Replace the path of a dataset's file, as a run kept it, by the present one.

    A file that is no longer at its place is searched by its name in the data directory and in the current folder. A
    file of the same content is taken for it.

    Args:
        dataset: Name of the dataset in the tables; that of a located dataset is KIND:FILE.
        parameters: Parameters that the run kept.
        recipe: Identity of the data; for a file its SHA-256.
    """
    path = Path(str(parameters.get("path", "")))
    if ":" not in dataset or not path.name or path.is_file():
        return parameters
    for folder in (data_directory(), Path.cwd()):
        candidate = folder / path.name
        if candidate.is_file() and file_sha256(candidate) == recipe.get("sha256"):
            return parameters | {"path": str(candidate.absolute())}
    return parameters
