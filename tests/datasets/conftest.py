import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.motion.dancer import dance

MOCAP = Path(__file__).parents[2].parent / "shared" / "data" / "mocap"
GENRES = ("BR", "PO", "LO", "MH", "LH", "HO", "WA", "KR", "JS", "JB")


def sequence_names(count: int) -> list[str]:
    return [
        f"g{genre}_sBM_cAll_d{index % 30 + 1:02d}_m{genre}{index % 6}_ch{index % 21 + 1:02d}"
        for index in range(count)
        for genre in [GENRES[index % 10]]
    ]


def write_pickle(path: Path, optim: np.ndarray, raw: np.ndarray | None = None, protocol: int = -1) -> None:
    """One file in AIST++'s own form."""
    content = {"keypoints3d": optim if raw is None else raw, "keypoints3d_optim": optim}
    path.write_bytes(pickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL if protocol < 0 else protocol))


@pytest.fixture(scope="session")
def generated() -> dict[str, np.ndarray]:
    """Forty short dances under AIST++'s names, float64 as there."""
    return dict(zip(sequence_names(40), dance(40, 130, np.random.default_rng(5)), strict=True))


@pytest.fixture(scope="session", params=["generated", "recorded"])
def motion(request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    """Motion under AIST++'s names: generated, and recorded where it is at hand."""
    if request.param == "generated":
        made: dict[str, np.ndarray] = request.getfixturevalue("generated")
        return made
    path = MOCAP / "cmu05_dance_iclone.npz"
    if not path.is_file():
        pytest.skip("no recorded dance at hand: ../shared/data/mocap is not there")
    with np.load(path, allow_pickle=False) as clips:
        recorded = [clips[name].astype(np.float64) for name in clips.files]
    return dict(zip(sequence_names(len(recorded)), recorded, strict=True))


@pytest.fixture
def annotations(tmp_path: Path) -> Callable[..., Path]:
    """Write motion as an unzipped AIST++ folder and return its root."""

    def write(motion: dict[str, np.ndarray], **options: Any) -> Path:
        folder = tmp_path / "aist_plusplus_final" / "keypoints3d"
        folder.mkdir(parents=True)
        for name, keypoints in motion.items():
            write_pickle(folder / f"{name}.pkl", keypoints, **options)
        return folder.parent

    return write


@pytest.fixture
def data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data directory that the datasets look in."""
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"
