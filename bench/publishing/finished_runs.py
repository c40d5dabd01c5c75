"""Reports of runs that lie in folders, and comparisons of two; nothing is run."""

import sys
from collections.abc import Sequence
from pathlib import Path

from bench.analysis import changes
from bench.errors import UsageError
from bench.planning.finished import FinishedRun, existing
from bench.publishing import run_report
from bench.records.store import Store
from reports.pages import comparison


def write(folders: Sequence[Path], out: Path | None, formats: str) -> list[Path]:
    """Write the report of one run, or the changes from a first run to a second, and return the files.

    Args:
        folders: Folders of one run or two.
        out: Folder that takes the files; by default the run's folder for a report, and this folder for a comparison.
        formats: Names of formats, see `again` and `side_by_side`.

    Raises:
        UsageError: The folders or the formats cannot be used, see there.
    """
    if len(folders) > 2:
        raise UsageError(f"expected one run folder or two, got {len(folders)}")
    if len(folders) == 2:
        return side_by_side(folders[0], folders[1], out or Path(), formats)
    return again(folders[0], formats, out)


def again(folder: Path, formats: str = "", out: Path | None = None) -> list[Path]:
    """Write a run's report anew and return the files.

    Args:
        folder: Folder of the run, which is only read where the report goes elsewhere.
        formats: Names of `run_report.FORMATS`, separated by commas; by default all.
        out: Folder that takes the report; by default the run's folder.

    Raises:
        UsageError: The folder holds no run, nothing has run there yet, a format is unknown, or `out` cannot be written.
    """
    chosen = parse_formats(formats) or run_report.FORMATS
    run = load(folder)
    if out is None:
        Store(folder)  # which refuses a folder that cannot be written
    else:
        _make(out)
    return run_report.write(run, chosen, out=out)


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to {out} ({error.strerror}); choose another --out") from None


def side_by_side(first: Path, second: Path, out: Path, formats: str = "") -> list[Path]:
    """Write the changes from one run to another as compare.html, compare.md, ... and return the files.

    Args:
        first: Folder of the run that is compared with.
        second: Folder of the other.
        out: Folder that takes the files.
        formats: Names of `run_report.FORMATS`, separated by commas; by default html and md.

    Raises:
        UsageError: A folder or format cannot be used, see `again`, or the runs have no cell in common.
    """
    chosen = parse_formats(formats) or ("html", "md")
    runs = [changes.ComparedRun(run=run, results=run_report.gather(run)) for run in (load(first), load(second))]
    table = changes.changes(*runs)
    if not len(table):
        raise UsageError(f"{first} and {second} have no row on the same dataset and nothing can be compared")
    _make(out)
    page = comparison.page(runs[0].results, runs[1].results, table, changes.differences(*runs))
    written = run_report.write_page(page, out, "compare", chosen)
    if "csv" in chosen:
        written.append(out / "compare.csv")
        run_report.write_csv(written[-1], table)
    return written


def parse_formats(text: str) -> tuple[str, ...]:
    """Read names of formats; they come in the order of `run_report.FORMATS`.

    Raises:
        UsageError: A format is unknown.
    """
    names = text.replace(",", " ").split()
    for name in names:
        if name not in run_report.FORMATS:
            raise UsageError(f"expected --format with some of {', '.join(run_report.FORMATS)}, got {name!r}")
    return tuple(name for name in run_report.FORMATS if name in names)


def load(folder: Path) -> FinishedRun:
    """Read a run; a warning names every record that cannot be read, and the run lacks it.

    Raises:
        UsageError: There is no run in the folder, or nothing has run there yet.
    """
    run, damaged = FinishedRun.read(existing(folder))
    for line in damaged:
        print(f"warning: {line}; it is left out", file=sys.stderr)
    if not run.records and not run.plan.unavailable:
        raise UsageError(f"{folder} holds no results yet; bench run makes them")
    return run
