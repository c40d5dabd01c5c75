import pytest

from bench.errors import UsageError
from bench.records.store import Store


def test_a_record_comes_back_and_replaces_the_former(tmp_path):
    store = Store(tmp_path / "run")
    store.write({"key": "a", "status": "failed"})
    store.write({"key": "a", "status": "done", "metrics": {"mse": 0.1 + 0.2}})
    assert store.read("a")["metrics"]["mse"] == 0.1 + 0.2
    assert [path.name for path in store.cells.iterdir()] == ["a.json"]


def test_a_number_that_is_not_finite_is_never_written(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        store.write({"key": "a", "status": "done", "metrics": {"mse": float("nan")}})
    assert store.read("a") is None


@pytest.mark.parametrize("text", ["", '{"schema": 1, "key": "a", "sta', "[]", '{"schema": 3, "key": "a"}', "\x00"])
def test_a_damaged_record_is_told_and_does_not_hide_the_others(tmp_path, text):
    store = Store(tmp_path)
    store.write({"key": "b", "status": "done", "metrics": {}})
    store.path("a").write_text(text)
    records, damaged = store.read_all(["a", "b", "absent"])
    assert list(records) == ["b"]
    assert len(damaged) == 1
    assert str(store.path("a")) in damaged[0]


def test_leftovers_of_killed_writers_are_removed(tmp_path):
    store = Store(tmp_path)
    (store.cells / ".a.json.123.tmp").touch()
    store.write({"key": "a", "status": "done", "metrics": {}})
    store.clean()
    assert [path.name for path in store.cells.iterdir()] == ["a.json"]


def test_another_schema_is_refused_and_a_cut_off_plan_is_not(tmp_path):
    (tmp_path / "plan.json").write_text('{"schema": 1, "cel')
    Store(tmp_path)
    (tmp_path / "plan.json").write_text('{"schema": 7}')
    with pytest.raises(UsageError, match="schema 7"):
        Store(tmp_path)
