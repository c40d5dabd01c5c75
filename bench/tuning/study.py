"""One study: a family on a dataset, kept in an Optuna journal that a killed driver goes on with.

The driver is the only writer: it asks, has the runner measure, and tells.
"""

import hashlib
import json
import os
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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

ROUND = 4  # trials a study asks for at once, on any machine, so that a study does not depend on it
FEWEST_TO_PRUNE = 5  # finished trials before any is pruned
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
# Of a trial.
PARAMETERS, VALUES, VIOLATION, ERROR, AGAIN = "parameters", "values", "violation", "error", "again"
CURVE = "curve"
QUESTION = "question"  # of a study


def open_storage(path: Path) -> JournalStorage:
    """The journal at `path`, which no other driver uses: the folder's own lock keeps them out.

    What a driver leaves behind that is killed in writing is removed: Optuna's lock, and a line that is not whole.
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
    """A family on a dataset.

    Args:
        storage: Where trials are kept.
        family: Whose parameters.
        dataset: Name.
        objectives: What to make better.
        constraint: What a winner keeps; None where there is none, or where it does not apply to the family.
        trials: How many.
        question: All else that decides what a trial's values are; trials of two questions do not mix.

    Raises:
        UsageError: The journal's trials were asked another question.
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
        asked = self._study.user_attrs.get(QUESTION)
        if asked is None:
            self._study.set_user_attr(QUESTION, question)
            asked = question
        different = [name for name in question if asked.get(name) != question[name]]
        if different:
            raise UsageError(
                f"the study of {self.name} that is there had another {different[0]}; choose another --out, or give the "
                "same command"
            )

    def finished(self) -> list[FrozenTrial]:
        """Trials that count: not those that a killed driver left, in whose place others were queued."""
        trials = self._study.get_trials()
        replaced = {trial.user_attrs.get(AGAIN) for trial in trials}
        return [trial for trial in trials if trial.state in FINISHED and trial.number not in replaced]

    def revive(self) -> int:
        """Give up trials that a killed driver left running, and queue them again; returns how many.

        Queued before given up: killed in between, the next driver finds them queued and does not do so twice.
        """
        trials = self._study.get_trials()
        replaced = {trial.user_attrs.get(AGAIN) for trial in trials}
        left = [trial for trial in trials if trial.state == TrialState.RUNNING]
        for trial in left:
            if trial.number not in replaced:
                self._study.enqueue_trial(trial.params, user_attrs={AGAIN: trial.number})
            self._study.tell(trial.number, state=TrialState.FAIL)
        return len(left)

    def ask(self) -> list["Asked"]:
        """The next trials, as many as fill a round; none when all are finished."""
        done = len(self.finished())
        count = min(self.trials - done, ROUND - done % ROUND)
        return [self._ask(done + index) for index in range(count)]

    def _ask(self, place: int) -> "Asked":
        # Anew from the trial's place: a study that was cut off draws what it would have drawn.
        seed = int.from_bytes(hashlib.sha256(f"{self.name} {place}".encode()).digest()[:4], "big")
        self._study.sampler = TPESampler(seed=seed)
        trial = self._study.ask()
        try:
            with guarded():
                parameters = self.family.cls.suggest(trial)
        except Exception as error:  # whatever a stranger's class raises is the user's to read, in one line
            raise UsageError(f"suggest of {self.family.name}: {type(error).__name__}: {error}") from None
        trial.set_user_attr(PARAMETERS, parameters)
        return Asked(self, trial, parameters)

    def ceiling(self) -> list[float | None]:
        """The median validation error of finished trials at each point of their learning curves, from the middle on.

        Optuna's median rule within a training. Only where that error is the objective and nothing else counts: whether
        a trial keeps a constraint its curve does not tell. Empty before there are enough trials.
        """
        complete = self._study.get_trials(states=(TrialState.COMPLETE,))  # a driver may have died with others half told
        done = [trial.user_attrs[CURVE] for trial in complete]
        if [objective.name for objective in self.objectives] != ["mse"] or self.constraint:
            return []
        if len(done) < FEWEST_TO_PRUNE:
            return []
        medians = [statistics.median(errors) for errors in zip(*done, strict=True)]
        return [error if 2 * point >= len(medians) else None for point, error in enumerate(medians)]

    def counted(self) -> str:
        """How many trials ended how, for a line."""
        states = Counter(trial.state for trial in self.finished())
        told = {TrialState.PRUNED: "given up", TrialState.FAIL: "failed"}
        ends = [f"{states[state]} {end}" for state, end in told.items() if states[state]]
        return f"{', '.join([f'{sum(states.values())} of {self.trials} trials', *ends])}"

    def winner(self, *, constrained: bool = True) -> Tuned | None:
        """The best finished trial by the first objective among those that no other beats in all."""
        found = self.front(constrained=constrained)
        return found[0] if found else None

    def front(self, *, constrained: bool = True) -> list[Tuned]:
        """Finished trials that no other beats in every objective, the best by the first objective first."""
        done = [trial for trial in self.finished() if trial.state == TrialState.COMPLETE]
        if constrained:
            done = [trial for trial in done if trial.user_attrs[VIOLATION] <= 0]
        losses = [self._losses(trial) for trial in done]
        best = [
            index
            for index, own in enumerate(losses)
            if not any(_beats(other, own) or (other == own and rank < index) for rank, other in enumerate(losses))
        ]
        best.sort(key=lambda index: losses[index])
        attributes = [done[index].user_attrs for index in best]
        return [
            Tuned(self.family.name, self.dataset, self.trials, each[PARAMETERS], each[VALUES]) for each in attributes
        ]

    def _losses(self, trial: FrozenTrial) -> tuple[float, ...]:
        signs = [-1 if objective.direction == "maximize" else 1 for objective in self.objectives]
        return tuple(sign * value for sign, value in zip(signs, trial.values, strict=True))


def shown(values: Mapping[str, float]) -> str:
    """Metrics with their values, for a line."""
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())


def _beats(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    return first != second and all(a <= b for a, b in zip(first, second, strict=True))


@dataclass(frozen=True)
class Asked:
    """A trial that waits for its values.

    Attributes:
        study: Its study.
        trial: Optuna's.
        parameters: What the family's `suggest` drew.
    """

    study: Study
    trial: Trial
    parameters: JSON

    def hopeless(self, values: Mapping[str, float]) -> bool:
        """Whether the first seed alone tells that other seeds would be wasted.

        Optuna's median rule over the seeds as steps: every trial sees the same data in the same order, so that values
        compare. A trial that keeps the constraint goes on whatever its objective: those that break it may all be
        better. With several objectives none is given up, for there is no median.
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
        """Its values so far, for a line."""
        return shown(self.trial.user_attrs.get(VALUES, {}))

    def follow(self, curve: Sequence[float]) -> None:
        """Keep the learning curve of its first seed, for later trials to be held against."""
        self.trial.set_user_attr(CURVE, list(curve))

    def finish(self, values: Mapping[str, float]) -> None:
        """Tell the means over all seeds."""
        self._keep(values)
        self._set_constraint()
        told = [objective.value(values[objective.name]) for objective in self.study.objectives]
        self.study._study.tell(self.trial, told)

    def give_up(self) -> None:
        """It is pruned: it counts, but cannot win."""
        if VIOLATION in self.trial.user_attrs:
            self._set_constraint()
        self.study._study.tell(self.trial, state=TrialState.PRUNED)

    def fail(self, cause: str) -> None:
        """It has no values: it counts, but cannot win."""
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
