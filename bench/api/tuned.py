"""A study of the tuner run to its end."""

import sys
from dataclasses import dataclass
from pathlib import Path

from bench.api.setup import engine_of
from bench.errors import LostError, UsageError
from bench.execution.runner import Options
from bench.planning.tuned import NAME
from bench.records.environment import environment, keep
from bench.records.store import Store
from bench.tuning.task import Task
from bench.tuning.tuner import JOURNAL, Tuner


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The outcome of a study.

    Attributes:
        folder: Folder of the study.
        lines: One line per family and dataset: the winner, or why there is none.
        complete: Whether every family has a winner on every dataset.
    """

    folder: Path
    lines: tuple[str, ...]
    complete: bool

    @property
    def params(self) -> Path:
        """File of the winners' parameters, for `bench.run(params=...)`."""
        return self.folder / NAME

    @property
    def journal(self) -> Path:
        """Journal of all trials, which optuna-dashboard opens."""
        return self.folder / JOURNAL

    def __str__(self) -> str:
        return "\n".join([*self.lines, str(self.params)])


def tune_task(
    task: Task,
    options: Options,
    *,
    executor: str,
    jobs: int | None,
    out: Path | str | None,
    command: list[str],
    progress: bool,
) -> Tuning:
    """Run a study until every family has its trials, and write tuned.toml.

    Args:
        task: Families, datasets and objectives.
        options: Choices of how jobs are run.
        executor: Name of the executor.
        jobs: Number of jobs at a time, where the user chose it.
        out: Folder of the study; None for runs/tune-PROTOCOL.
        command: Command to record, as a list of words.
        progress: Whether to print a line per finished trial.

    Raises:
        UsageError: The folder holds a run, or trials of another question.
        KeyboardInterrupt: The user interrupted the study; tuned.toml tells what was found so far.
        LostError: The executor is gone; tuned.toml tells what was found so far.
    """
    for remark in task.remarks:
        print(f"note: {remark}", file=sys.stderr)
    folder = Path("runs") / f"tune-{task.protocol.name}" if out is None else Path(out)
    if (folder / "plan.json").exists():
        raise UsageError(f"{folder} holds a run; choose another --out")
    store = Store(folder)
    used = [(subject.source.name, subject.source.parameters) for subject in task.subjects]
    with store.locked():
        store.clean()
        with engine_of(executor, used, store, options, jobs) as engine:
            facts = environment(engine.device)
            keep(store.root, facts)
            tuner = Tuner(task, store, options, facts, engine, _print_line if progress else _ignore_line)
            try:
                tuner.run()
            except (KeyboardInterrupt, LostError):
                tuner.write(command)
                raise
        lines = tuner.write(command)
    complete = all(study.winner() for study in tuner.studies)
    return Tuning(folder=folder, lines=tuple(lines), complete=complete)


def _print_line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _ignore_line(line: str) -> None:
    """Show nothing."""
