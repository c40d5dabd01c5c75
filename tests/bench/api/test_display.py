import io

import pytest
from rich.console import Console

from bench.api.display import Display
from bench.planning.planner import make
from bench.planning.request import Request
from bench.vocabulary import DONE, FAILED


@pytest.fixture(scope="module")
def plan():
    return make(Request(quantizers="vq,som-vq", datasets="lorenz,aist-standin", protocol="tiny"))


def done(**metrics):
    return {"status": DONE, "train_seconds": 1.0, "eval_seconds": 2.0, "metrics": metrics}


def test_elsewhere_than_on_a_terminal_a_cell_is_a_line(plan):
    stream = io.StringIO()
    with Display(plan, stream) as display:
        display.finished(plan.cells[0], done(mse=0.5, active=50.0, topographic_error=None), resumed=False)
        record = {"status": FAILED, "error": {"type": "ValueError", "message": "[red]two\nlines"}}
        display.finished(plan.cells[1], record, resumed=False)
        display.finished(plan.cells[2], done(mse=0.5), resumed=True)
    first, second = stream.getvalue().splitlines()
    assert first.startswith("[1/8] vq lorenz seed 0 done 3.0 s, mse 0.5, active 50; about")
    assert second == "[2/8] som-vq lorenz seed 0 failed: ValueError: [red]two lines"


def test_on_a_terminal_the_table_shows_means_progress_and_failures(plan):
    display = Display(plan, io.StringIO())
    display.started([plan.cells[0]])
    for cell, mse in ((plan.cells[0], 0.2), (plan.cells[4], 0.4)):
        assert cell.pair == ("vq", "lorenz")
        display.finished(cell, done(mse=mse), resumed=False)
    display.finished(plan.cells[1], {"status": FAILED, "error": {"message": "x"}}, resumed=False)
    console = Console(file=io.StringIO(), width=140)
    console.print(display._view())
    shown = console.file.getvalue()
    lines = [line for line in shown.splitlines() if "lorenz" in line or "standin" in line]
    assert "2/2" in lines[0]
    assert "0.3" in lines[0]
    assert "0/2 failed" in lines[1]
    assert "aist-standin" in lines[2]
    assert "3/8 cells, 1 without a result" in shown
