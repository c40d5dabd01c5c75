"""Preparation of runs: the plan of a request, with the choices of how it is run."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.api.launch import Launched, launch
from bench.api.setup import engine_of, load_plugins, options_of, use_data, used_by
from bench.errors import UsageError
from bench.execution.reuse import RERUN
from bench.execution.runner import Options
from bench.planning import planner
from bench.planning.cells import Plan
from bench.planning.request import Request
from bench.records.store import Store


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """A plan that is ready to be launched, with the choices of how.

    Attributes:
        plan: Plan with the cells to run.
        options: Choices of how to run.
        folder: Folder that takes everything.
        executor: Name of the executor.
        jobs: Number of jobs at a time, where the user chose it.
    """

    plan: Plan
    options: Options
    folder: Path
    executor: str = "local"
    jobs: int | None = None

    def launch(
        self,
        command: list[str],
        *,
        profile: bool = False,
        progress: bool = True,
        announce: Callable[[Plan], None] | None = None,
    ) -> Launched:
        """Run the plan, see `bench.api.launch.launch`.

        Args:
            command: Command to record, as a list of words.
            profile: Whether the report shows where the time went.
            progress: Whether to show the run while it goes on.
            announce: Function that shows the plan once nothing stands in its way.

        Raises:
            UsageError: The folder cannot be used, or the executor cannot be had.
        """
        store = Store(self.folder)
        with (
            store.locked(),
            engine_of(self.executor, used_by(self.plan), store, self.options, self.jobs) as engine,
        ):
            if announce is not None:
                announce(self.plan)
            return launch(self.plan, store, self.options, command, engine, profile=profile, progress=progress)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Choices of `run` and `tune` that do not decide what is measured.

    Attributes:
        device: Device, "auto", "cpu" or "cuda".
        jobs: Number of jobs at a time; None for as many as suit the device.
        executor: Name of the executor.
        timeout: Seconds that a job may take; None for no limit.
        plugins: Python files or modules to register.
        data_dir: Folder of imported data; None for that of BENCH_DATA.
    """

    device: str = "auto"
    jobs: int | None = None
    executor: str = "local"
    timeout: float | None = None
    plugins: Sequence[str] = field(default_factory=tuple)
    data_dir: Path | str | None = None

    def options(self, **more: Any) -> Options:
        """Register plug-ins and data, and check the choices.

        Raises:
            UsageError: A value is wrong, or a plug-in cannot be loaded.
        """
        self.register()
        return self.choose(device=self.device, **more)

    def register(self) -> None:
        """Use the data directory and register the plug-ins."""
        use_data(self.data_dir)
        load_plugins(self.plugins)

    def choose(self, *, device: str, **more: Any) -> Options:
        """Check the choices, for a device."""
        return options_of(device, self.jobs, self.executor, self.plugins, timeout=self.timeout, **more)


def prepare(request: Request, setting: Setting, *, out: Path | str | None, rerun: str = "missing") -> Preparation:
    """Make the plan of a request; notes on standard error say what the user should know before it runs.

    Raises:
        UsageError: A name or a value is wrong; the message says what to use instead.
    """
    if rerun not in RERUN:
        raise UsageError(f"expected --rerun to be one of {', '.join(RERUN)}, got {rerun!r}")
    options = setting.options(rerun=rerun)
    plan = planner.make(request)
    for remark in plan.remarks:
        print(f"note: {remark}", file=sys.stderr)
    folder = Path("runs") / "-".join(filter(None, (plan.suite, plan.protocol.name)))
    return Preparation(
        plan=plan,
        options=options,
        folder=folder if out is None else Path(out),
        executor=setting.executor,
        jobs=setting.jobs,
    )
