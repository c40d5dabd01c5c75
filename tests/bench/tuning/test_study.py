"""Studies by themselves: what they keep, resume and refuse."""

import pytest
from optuna.trial import TrialState

import quantizers
from bench.errors import UsageError
from bench.tuning.goals import Constraint, Objective
from bench.tuning.study import ROUND, Study, open_storage
from bench.tuning.tuner import JOURNAL


def test_a_metric_with_a_target_is_brought_near_it():
    (objective,) = Objective.parse("distortion_ratio")
    assert objective.direction == "minimize"
    assert (objective.value(0.7), objective.value(1.2)) == (pytest.approx(0.3), pytest.approx(0.2))
    (objective,) = Objective.parse("trust")
    assert (objective.direction, objective.value(0.7)) == ("maximize", 0.7)


def test_constraints_read_and_measure():
    below, above = Constraint.parse("topographic_error <= 0.1"), Constraint.parse("trust>=0.9")
    assert (str(below), str(above)) == ("topographic_error<=0.1", "trust>=0.9")
    assert below.violation({"topographic_error": 0.3}) == pytest.approx(0.2)
    assert above.violation({"trust": 0.95}) == pytest.approx(-0.05)


def a_study(folder, **more):
    folder.mkdir(exist_ok=True)
    values = {"objectives": Objective.parse("mse"), "constraint": None, "trials": 9, "question": {"seeds": [1]}} | more
    return Study(open_storage(folder / JOURNAL), quantizers.families()["vq"], "lorenz", **values)


def test_another_question_is_not_mixed_in_and_more_trials_are(tmp_path):
    a_study(tmp_path)
    assert a_study(tmp_path, trials=99).trials == 99
    with pytest.raises(UsageError, match="of vq on lorenz that is there had another seeds; choose another --out"):
        a_study(tmp_path, question={"seeds": [2]})


def test_what_a_killed_writer_leaves_of_a_line_or_a_lock_does_not_stop_the_next(tmp_path):
    a_study(tmp_path).ask()
    journal = tmp_path / JOURNAL
    with journal.open("ab") as file:
        file.write(b'{"op_code": 4, "worker')
    (tmp_path / f"{JOURNAL}.lock").touch()
    again = a_study(tmp_path)
    assert again.revive() == ROUND
    again.ask()
    assert len(a_study(tmp_path)._study.get_trials()) == 2 * ROUND


def test_a_trial_is_queued_once_however_often_the_driver_dies_in_between(tmp_path, monkeypatch):
    study = a_study(tmp_path)
    study.ask()
    monkeypatch.setattr(study._study, "tell", lambda *arguments, **more: (_ for _ in ()).throw(KeyboardInterrupt))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            study.revive()
    monkeypatch.undo()
    left = a_study(tmp_path)
    assert left.revive() == ROUND
    queued = [trial for trial in left._study.get_trials() if trial.state == TrialState.WAITING]
    assert len(queued) == ROUND
    assert left.finished() == []
    assert [asked.trial.params for asked in left.ask()] == [trial.system_attrs["fixed_params"] for trial in queued]


def test_a_search_space_that_raises_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(quantizers.VQ, "suggest", classmethod(lambda cls, trial: 1 / 0))
    with pytest.raises(UsageError, match="suggest of vq: ZeroDivisionError"):
        a_study(tmp_path).ask()
