import csv
import re
from pathlib import Path

from bench import plugins
from bench.testing import runner
from quantizers import registry

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_the_plug_in_shown_runs(bench, tmp_path):
    (shown,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in shown.splitlines() if line.strip()]) <= 40
    plugin = tmp_path / "macqueen.py"
    plugin.write_text(shown)
    command = ("run", "--plugin", plugin, "--quantizers", "macqueen", "--datasets", "lorenz", "--protocol", "tiny")
    done = bench(*command, "--seeds", 1, "--set", "macqueen.commitment=1", "--device", "cpu", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "run" / "results.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["quantizer"], row["status"]) == ("macqueen", "done")
    assert float(row["explained"]) > 0


def test_the_plug_in_shown_keeps_the_contract(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_FAMILIES", dict(registry._FAMILIES))
    plugin = tmp_path / "macqueen.py"
    plugin.write_text(re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0])
    plugins.load(str(plugin))
    lines = []
    assert runner.run(runner.case("macqueen"), lines.append), lines


def test_the_two_commands_set_everything_up():
    commands = [line.strip() for line in README.splitlines() if line.strip().startswith("python3 -m venv .venv && ")]
    assert len(commands) == 2
    assert commands[0].endswith(".venv/bin/python -m bench run --quantizers all --datasets lorenz,aist")
    assert commands[1].endswith(".venv/bin/python -m pytest")
    assert all(" -c constraints.txt -e " in command for command in commands)
