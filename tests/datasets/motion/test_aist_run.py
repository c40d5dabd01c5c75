import csv


def test_import_check_and_run_through_the_command_line(bench, annotations, generated, data_directory, tmp_path):
    environment = {"BENCH_DATA": data_directory}
    imported = bench("data", "import", "aist", annotations(generated), **environment)
    assert imported.returncode == 0, imported.stderr
    assert "40" in imported.stdout
    command = ("run", "--quantizers", "vq", "--datasets", "aist", "--protocol", "tiny", "--seeds", 1, "--device", "cpu")
    done = bench(*command, "--set", "aist.window=60", "--require-real", "--out", tmp_path / "run", **environment)
    assert done.returncode == 0, done.stderr
    assert "note:" not in done.stderr
    with (tmp_path / "run" / "results.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["dataset"], row["real"], row["status"]) == ("aist", "True", "done")
    report = (tmp_path / "run" / "report.md").read_text()
    assert "stand-in" not in report
    assert "(cm)" in report
