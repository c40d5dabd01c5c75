"""What a run leaves in its folder, from hand-made records."""

import re

import numpy as np
import torch
from safetensors.torch import save_file

import datasets
from bench.publishing import finished_runs
from bench.records.files import write_json
from bench.records.store import Store

NASTY = "<script>alert(1)</script>"


def stored(folder, row, seed=0):
    """Codes of one cell: all sequences walk along the first four codes."""
    run = finished_runs.load(folder)
    (cell,) = (cell for cell in run.plan.cells if (cell.row, cell.seed) == (row, seed))
    frames = datasets.load(cell.dataset, seed=cell.data_seed, **cell.dataset_parameters).standardised
    tokens = {
        f"codes.{split}": torch.arange(value[..., 0].size).reshape(value.shape[:2]) % 4
        for split, value in frames.items()
    }
    positions = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    prototypes = torch.arange(16.0 * frames["test"].shape[-1]).reshape(16, -1)
    save_file(tokens | {"prototypes": prototypes, "positions": positions}, run.store.codes(cell.key))


def test_a_report_holds_every_figure_that_lies_beside_it(ran):
    folder = ran("run", lambda cell: {"mse": 0.1 + 0.01 * cell.seed}, quantizers="vq,som-vq")
    stored(folder, "som-vq")
    finished_runs.again(folder, "html,md")
    files = {path.stem: path.read_text() for path in (folder / "figures").iterdir()}
    page, markdown = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    expected = {"intervals--lorenz--mse", "curves--lorenz--training", "use--lorenz--som-vq", "planes--lorenz--som-vq"}
    assert expected | {"walk--lorenz--som-vq", "attractor--lorenz--som-vq"} <= {*files}
    for name, svg in files.items():
        assert svg.strip() in page
        assert f"figures/{name}.svg" in markdown
    assert page.count('<figure class="map">') == 1
    assert re.search(r'"row":"som-vq".*"sides":\[4,4\]', page)


def test_figures_of_a_former_report_go_and_tables_alone_draw_none(ran):
    folder = ran("run", lambda cell: {})
    finished_runs.again(folder, "csv,tex")
    assert not (folder / "figures").exists()
    (folder / "figures").mkdir()
    (folder / "figures" / "former.svg").write_text("<svg/>")
    finished_runs.again(folder, "html")
    names = {path.name for path in (folder / "figures").iterdir()}
    assert "former.svg" not in names
    assert "intervals--lorenz--mse.svg" in names


def test_failed_timed_out_and_unavailable_cells_are_told_in_every_format(ran):
    statuses = {"ksom": "failed", "fsq": "timeout"}
    folder = ran("run", lambda cell: {}, quantizers="vq,ksom,fsq", status=lambda cell: statuses.get(cell.row, "done"))
    store = finished_runs.load(folder).store
    output = store.plan() | {"unavailable": [["vq", "music", seed, "no files of music here"] for seed in range(4)]}
    write_json(store.root / "plan.json", output)
    finished_runs.again(folder)
    for name in ("report.html", "report.md"):
        text = (folder / name).read_text()
        assert "4 of 16 done" in text
        for status in ("4 failed", "4 timeout", "4 unavailable", "no files of music here"):
            assert status in text, (name, status)
        assert "<script>alert" not in text
    page = (folder / "report.html").read_text()
    assert page.count('class="failed"') >= 12
    assert r"0 of 4" in (folder / "tables" / "results-lorenz.tex").read_text()


def test_a_folder_and_a_quantizer_of_nasty_names_show_as_text(ran):
    folder = ran("<script>alert(1)<", lambda cell: {}, quantizers="vq,som-vq")
    output = Store(folder, writable=False).plan()
    for cell in output["cells"]:
        if cell["row"] == "som-vq":
            cell["row"] = cell["quantizer"] = NASTY
    write_json(folder / "plan.json", output)
    stored(folder, NASTY)
    finished_runs.again(folder)
    files = [*folder.glob("report.*"), *folder.glob("tables/*"), *folder.glob("figures/*")]
    texts = {path.name: path.read_text() for path in files}
    assert len(texts) > 10
    for name, text in texts.items():
        as_code = text.replace(f"`{NASTY}`", "").replace("`<script>alert(1)<`", "") if name == "report.md" else text
        assert "<script>alert" not in as_code, name
    assert r"\textless{}script\textgreater{}alert(1)" in texts["results-lorenz.tex"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt; on lorenz" in texts["report.html"]


def test_a_single_seed_claims_nothing(ran):
    folder = ran("run", lambda cell: {}, quantizers="vq,fsq", seeds="1")
    finished_runs.again(folder, "html,csv")
    assert "With fewer than 3 seeds nothing can be concluded" in (folder / "report.html").read_text()
    assert (folder / "claims.csv").read_text().strip().count("\n") <= 0
    assert "is best" not in (folder / "report.html").read_text()


def test_a_run_of_rows_that_are_never_ranked_compares_nothing(ran):
    folder = ran("run", lambda cell: {"mse": 0.1 + 0.01 * cell.seed}, quantizers="kmeans,none")
    finished_runs.again(folder)
    for name in ("report.html", "report.md"):
        assert "No row here is one that is ranked, so nothing is compared." in (folder / name).read_text()


def test_a_run_says_which_features_were_left_out(bench_here, tmp_path):
    values = np.random.default_rng(0).normal(size=(12, 40, 3)).cumsum(axis=1)
    values[..., 2] = 7.0
    np.savez(tmp_path / "w.npz", values)
    command = ("run", "--quantizers", "kmeans", "--datasets", f"npz:{tmp_path / 'w.npz'}", "--protocol", "tiny")
    done = bench_here(*command, "--seeds", 2, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "note: npz:w: left out, because they do not vary in training: features 2 of seed 0, 1" in done.stderr
    assert "features\\_constant\\_in\\_training" in (tmp_path / "run" / "report.md").read_text()
