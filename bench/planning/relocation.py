"""Where a user's own file lies now: the same bytes in another folder, checkout or machine are the same data."""

from pathlib import Path

from bench.typing import JSON
from datasets.store import data_directory, file_sha256


def located(dataset: str, parameters: JSON, recipe: JSON) -> JSON:
    """Parameters of a dataset as a run kept them, with the path of its file as it is here.

    A file that is no longer at its place is looked for by its name in the data directory and in the current folder,
    and taken for it where its content is the same.

    Args:
        dataset: Name in tables; a located dataset's is KIND:FILE.
        parameters: Those that were kept.
        recipe: What identified the data, of a file its SHA-256.
    """
    path = Path(str(parameters.get("path", "")))
    if ":" not in dataset or not path.name or path.is_file():
        return parameters
    for folder in (data_directory(), Path.cwd()):
        candidate = folder / path.name
        if candidate.is_file() and file_sha256(candidate) == recipe.get("sha256"):
            return parameters | {"path": str(candidate.absolute())}
    return parameters
