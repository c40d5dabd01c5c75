"""Study of one family on one dataset, kept in an Optuna journal that a killed driver goes on with.

The driver is the only writer: it asks for trials, has the runner measure them, and reports their values.
"""

import hashlib
import json
import operator
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from bench.errors import UsageError
from bench.planning.tuned import Tuned
from bench.plugins.guard import guarded
from bench.tuning.goals import Constraint, Objective
from bench.typing import JSON
from quantizers.registry import Family

ROUND = 4
"""Trials that a study asks for at once, on any machine, so that a study does not depend on the machine."""

FEWEST_TO_PRUNE = 5
"""Finished trials before any trial is pruned."""

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)

PARAMETERS, VALUES, VIOLATION, ERROR, AGAIN = "parameters", "values", "violation", "error", "again"
CURVE = "curve"
"""Attributes of a trial."""

QUESTION = "question"
"""Attribute of a study."""


def open_storage(path: Path) -> JournalStorage:
    """Open the journal at a path; the lock of its folder keeps other drivers out.

    A driver that was killed while writing leaves Optuna's lock and a line that is not whole; both are removed.
    """
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))
    except Exception as error:  # a damaged journal may make Optuna raise anything
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"{path} is no journal of this study ({cause}); remove it, or choose another --out") from None


class Study:
    """Trials of a family on a dataset.

    Args:
        storage: Journal that keeps the trials.
        family: Family whose parameters are tuned.
        dataset: Name of the dataset in the tables.
        objectives: Metrics that the trials improve.
        constraint: Bound that a winner keeps; None where there is none, or where it does not apply to the family.
        trials: Number of trials to finish.
        question: Everything else that decides the values of a trial; trials of two questions do not mix.

    Raises:
        UsageError: The trials of the journal belong to another question.
    """

    def __init__(
        self,
        storage: JournalStorage,
        family: Family,
        dataset: str,
        *,
        objectives: Sequence[Objective],
        constraint: Constraint | None,
        trials: int,
        question: JSON,
    ) -> None:
        self.family = family
        self.dataset = dataset
        self.objectives = tuple(objectives)
        self.constraint = constraint
        self.trials = trials
        self.name = f"{family.name} on {dataset}"
        self._study = optuna.create_study(
            storage=storage,
            study_name=self.name,
            directions=[objective.direction for objective in objectives],
            pruner=MedianPruner(FEWEST_TO_PRUNE, 0),
            load_if_exists=True,
        )
        question = json.loads(json.dumps(question))
        former = self._study.user_attrs.get(QUESTION)
        if former is None:
            self._study.set_user_attr(QUESTION, question)
            former = question
        for name in question:
            if former.get(name) != question[name]:
                raise UsageError(
                    f"the study of {self.name} that is there had another {name}; choose another --out, or give the "
                    "same command"
                )

    def finished(self) -> list[FrozenTrial]:
        """Trials that count, without those that a killed driver left and that were queued again."""
        replaced = _replaced(self._study.get_trials(deepcopy=False))
        return [trial for trial in self._study.get_trials(states=FINISHED) if trial.number not in replaced]

    def revive(self) -> int:
        """Give up trials that a killed driver left running, queue them again, and return their number.

        A trial is queued before it is given up. If the driver is killed in between, the next one finds it queued and
        does not do so twice.
        """
        replaced = _replaced(self._study.get_trials(deepcopy=False))
        running = self._study.get_trials(states=(TrialState.RUNNING,))
        for trial in running:
            if trial.number not in replaced:
                self._study.enqueue_trial(trial.params, user_attrs={AGAIN: trial.number})
            self._study.tell(trial.number, state=TrialState.FAIL)
        return len(running)

    def ask(self) -> list["OpenTrial"]:
        """Ask for the next trials, as many as fill a round; none when all are finished."""
        done = len(self.finished())
        end_of_round = done - done % ROUND + ROUND
        return list(map(self._ask, range(done, min(self.trials, end_of_round))))

    def _ask(self, place: int) -> "OpenTrial":
        # The seed follows from the trial's place, so that a study that was cut off draws what it would have drawn.
        seed = int.from_bytes(hashlib.sha256(f"{self.name} {place}".encode()).digest()[:4], "big")
        self._study.sampler = TPESampler(seed=seed)
        trial = self._study.ask()
        try:
            with guarded():
                parameters = self.family.cls.suggest(trial)
        except Exception as error:  # a plug-in may raise anything; the user reads it in one line
            raise UsageError(f"suggest of {self.family.name}: {type(error).__name__}: {error}") from None
        trial.set_user_attr(PARAMETERS, parameters)
        return OpenTrial(self, trial, parameters)

    def ceiling(self) -> list[float | None]:
        """Median validation error of finished trials per point of their learning curves, from the middle on.

        This is Optuna's median rule within a training. It is used only where that error is the one objective and there
        is no constraint, which a learning curve cannot show. Empty before there are enough trials.
        """
        if self.objectives != (Objective("mse"),) or self.constraint:
            return []
        # A driver may have died while it reported other trials.
        complete = self._study.get_trials(states=(TrialState.COMPLETE,))
        if len(complete) < FEWEST_TO_PRUNE:
            return []
        curves = [trial.user_attrs[CURVE] for trial in complete]
        medians: list[float] = np.median(curves, axis=0).tolist()
        first_half = (len(medians) + 1) // 2
        return [None] * first_half + medians[first_half:]

    def counted(self) -> str:
        """Numbers of trials by the way they ended, in words."""
        states = Counter(trial.state for trial in self.finished())
        parts = [f"{states.total()} of {self.trials} trials"]
        for state, words in ((TrialState.PRUNED, "given up"), (TrialState.FAIL, "failed")):
            if states[state]:
                parts.append(f"{states[state]} {words}")
        return ", ".join(parts)

    def winner(self, *, constrained: bool = True) -> Tuned | None:
        """Best finished trial by the first objective, among those that no other beats in all objectives."""
        front = self.front(constrained=constrained)
        return front[0] if front else None

    def front(self, *, constrained: bool = True) -> list[Tuned]:
        """Finished trials that no other beats in every objective, the best by the first objective first."""
        # Of trials with equal losses the first one counts.
        trials: dict[tuple[float, ...], FrozenTrial] = {}
        for trial in self.finished():
            if trial.state == TrialState.COMPLETE and not (constrained and trial.user_attrs[VIOLATION] > 0):
                trials.setdefault(self._losses(trial), trial)
        front = []
        for losses in sorted(trials):
            if not any(_beats(other, losses) for other in trials):
                front.append(self._tuned(trials[losses]))
        return front

    def _tuned(self, trial: FrozenTrial) -> Tuned:
        """Entry of `tuned.toml` for a finished trial."""
        return Tuned(
            quantizer=self.family.name,
            dataset=self.dataset,
            trials=self.trials,
            parameters=trial.user_attrs[PARAMETERS],
            values=trial.user_attrs[VALUES],
        )

    def _losses(self, trial: FrozenTrial) -> tuple[float, ...]:
        losses = []
        for objective, value in zip(self.objectives, trial.values, strict=True):
            losses.append(-value if objective.direction == "maximize" else value)
        return tuple(losses)


def _replaced(trials: Sequence[FrozenTrial]) -> set[int | None]:
    """Numbers of trials that were queued again."""
    return {trial.user_attrs.get(AGAIN) for trial in trials}


def shown(values: Mapping[str, float]) -> str:
    """Metrics with their values, in words."""
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())


def _beats(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    return first != second and all(map(operator.le, first, second))


@dataclass(frozen=True)
class OpenTrial:
    """A trial that waits for its values.

    Attributes:
        study: Study that asked for the trial.
        trial: The trial as Optuna sees it.
        parameters: Values that the family's `suggest` drew.
    """

    study: Study
    trial: Trial
    parameters: JSON

    def hopeless(self, values: Mapping[str, float]) -> bool:
        """Whether the first seed alone shows that other seeds would be wasted.

        This is Optuna's median rule over the seeds as steps: every trial sees the same data in the same order, so that
        values are comparable. A trial that keeps the constraint always goes on, because all better ones may break it.
        With several objectives no trial is given up, because there is no median.
        """
        violation = self._keep(values)
        if len(self.study.objectives) > 1:
            return False
        objective = self.study.objectives[0]
        self.trial.report(objective.value(values[objective.name]), 0)
        if self.study.constraint and violation <= 0:
            return False
        return self.trial.should_prune()

    @property
    def shown(self) -> str:
        """Values so far, in words."""
        return shown(self.trial.user_attrs.get(VALUES, {}))

    def follow(self, curve: Sequence[float]) -> None:
        """Keep the learning curve of the first seed, with which later trials are compared."""
        self.trial.set_user_attr(CURVE, list(curve))

    def finish(self, values: Mapping[str, float]) -> None:
        """Report the means over all seeds."""
        self._keep(values)
        self._set_constraint()
        reported = []
        for objective in self.study.objectives:
            reported.append(objective.value(values[objective.name]))
        self.study._study.tell(self.trial, reported)

    def give_up(self) -> None:
        """Report the trial as pruned: it counts, but cannot win."""
        if VIOLATION in self.trial.user_attrs:
            self._set_constraint()
        self.study._study.tell(self.trial, state=TrialState.PRUNED)

    def fail(self, cause: str) -> None:
        """Report the trial as failed: it counts, but cannot win."""
        self.trial.set_user_attr(ERROR, cause)
        self.study._study.tell(self.trial, state=TrialState.FAIL)

    def _set_constraint(self) -> None:
        if self.study.constraint:
            self.trial.set_constraint(str(self.study.constraint), self.trial.user_attrs[VIOLATION])

    def _keep(self, values: Mapping[str, float]) -> float:
        violation = self.study.constraint.violation(values) if self.study.constraint else 0.0
        self.trial.set_user_attr(VALUES, dict(values))
        self.trial.set_user_attr(VIOLATION, violation)
        return violation
