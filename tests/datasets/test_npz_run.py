import csv
import json

import numpy as np
import pytest

import quantizers


@pytest.mark.slow
def test_a_file_of_ones_own_from_the_command_line_to_a_tokenizer(bench, tmp_path):
    generator = np.random.default_rng(0)
    lengths = [40 + 7 * number for number in range(12)]
    np.savez(tmp_path / "a_b <i>.npz", **{str(n): generator.normal(size=(n, 5)).cumsum(axis=0) for n in lengths})
    command = ("run", "--quantizers", "som-vq", "--datasets", f"npz:{tmp_path / 'a_b <i>.npz'}", "--protocol", "tiny")
    more = ("--set", "npz:a_b-i.window=20", "--seeds", 1, "--device", "cpu", "--out", tmp_path / "run")
    done = bench(*command, *more)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "run" / "results.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert {(row["dataset"], row["real"], row["status"]) for row in table} == {("npz:a_b-i", "True", "done")}
    report = (tmp_path / "run" / "report.md").read_text()
    assert "### npz:a\\_b-i\n" in report
    assert "<i>" not in report.partition("## Reproduce")[0]
    before = [path.stat().st_mtime_ns for path in sorted((tmp_path / "run" / "cells").glob("*.json"))]
    assert bench(*command, *more).returncode == 0
    assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "run" / "cells").glob("*.json"))] == before

    key = table[0]["key"]
    done = bench("export", tmp_path / "run" / "cells" / key[:10], "-o", tmp_path / "tokenizer")
    assert done.returncode == 0, done.stderr
    tokenizer = quantizers.load_tokenizer(tmp_path / "tokenizer")
    assert tokenizer.encode(generator.normal(size=(3, 8, 5))).shape == (3, 8)
    record = json.loads((tmp_path / "run" / "cells" / f"{key}.json").read_text())
    assert tokenizer.num_codes == record["cell"]["capacity"]["codebook_size"]

    np.savez(tmp_path / "a_b <i>.npz", generator.normal(size=(12, 40, 5)))
    done = bench("evaluate", tmp_path / "run")
    assert done.returncode == 3
    assert "not those that this run was planned with" in (tmp_path / "run" / "report.md").read_text()
