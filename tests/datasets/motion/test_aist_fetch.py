import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets import download
from datasets.errors import DataError
from datasets.motion import aist_fetch
from datasets.motion.aist import Aist

Motion = dict[str, np.ndarray]


def zipped(members: dict[str, bytes], comment: bytes = b"") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
        archive.comment = comment
    return target.getvalue()


@pytest.fixture(scope="module")
def members(generated: Motion) -> dict[str, bytes]:
    """Three sequences under their names in AIST++'s archive."""
    return {
        f"keypoints3d/{name}.pkl": pickle.dumps({"keypoints3d": value, "keypoints3d_optim": value})
        for name, value in list(generated.items())[:3]
    }


@pytest.fixture
def serve(server: Any, members: dict[str, bytes], data_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Serve an archive that has the size that is expected; the sequences unless told."""

    def start(content: bytes = b"") -> Any:
        server.content = content or zipped(members)
        monkeypatch.setattr(aist_fetch, "MEGABYTES", len(server.content) / 1e6)
        return server

    return start


def fetch(server: Any, tell: Callable[[str], None] = lambda line: None) -> list[tuple[int, int]]:
    watched: list[tuple[int, int]] = []
    Aist().fetch(server.url, tell, lambda have, total: watched.append((have, total)))
    return watched


def left(data_directory: Path) -> list[str]:
    folder = data_directory / "aist"
    return sorted(path.name for path in folder.iterdir() if path.name != ".fetch.lock") if folder.exists() else []


def test_licence_size_and_address_come_before_anything_is_fetched(serve: Any, data_directory: Path) -> None:
    server = serve()
    output: list[tuple[str, int]] = []
    watched = fetch(server, lambda line: output.append((line, len(server.asked))))
    before = " ".join(line for line, requests in output if requests == 0)
    assert "CC BY 4.0" in before and server.url in before and " MB " in before
    assert server.asked == [None]
    assert watched[-1] == (len(server.content),) * 2
    assert "3 sequences" in " ".join(line for line, _ in output)
    assert Aist().missing() is None
    record = json.loads((data_directory / "aist" / "fetched.json").read_text())
    assert record["sha256"] == hashlib.sha256(server.content).hexdigest()
    assert record["bytes"] == len(server.content)
    manifest = json.loads((data_directory / "aist" / "manifest.json").read_text())
    assert left(data_directory) == ["fetched.json", manifest["file"], "manifest.json"]

    fetch(server)
    assert server.asked == [None]  # what is installed is not fetched again


def test_what_is_published_is_the_default() -> None:
    assert aist_fetch.URL == "https://github.com/google/aistplusplus_dataset/releases/download/v1.0/keypoints3d.zip"
    assert aist_fetch.MEGABYTES == 834


def test_a_download_that_is_cut_off_goes_on_where_it_was(serve: Any) -> None:
    server = serve()
    server.cuts = [1000, 500]
    watched = fetch(server)
    assert server.asked == [None, "bytes=1000-", "bytes=1500-"]
    assert watched[-1] == (len(server.content),) * 2
    assert Aist().missing() is None


def test_the_same_call_goes_on_after_the_network_failed(serve: Any, data_directory: Path) -> None:
    server = serve()
    server.cuts = [1000, 0, 0]
    with pytest.raises(OSError, match="1000 bytes are kept, the same command goes on from there"):
        fetch(server)
    assert left(data_directory) == ["keypoints3d.zip.part", "keypoints3d.zip.part.json"]
    assert Aist().missing() is not None
    fetch(server)
    assert server.asked[-1] == "bytes=1000-"
    assert Aist().missing() is None


def test_many_cuts_are_no_failure_while_it_gets_on(serve: Any) -> None:
    server = serve()
    step = len(server.content) // 8
    server.cuts = [step] * 7
    fetch(server)
    assert server.asked == [None, *(f"bytes={place * step}-" for place in range(1, 8))]


@pytest.mark.parametrize("change", ["version", "no ranges", "shorter"])
def test_bytes_of_another_version_are_not_joined(
    serve: Any, members: dict[str, bytes], data_directory: Path, change: str
) -> None:
    server = serve()
    server.cuts = [len(server.content) - 10]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="bytes are kept"):
        patch.setattr(download, "PAUSES", ())
        fetch(server)
    if change == "version":
        server.content, server.tag = zipped(members, b"of another day"), '"second"'
    elif change == "shorter":  # and the server has no tag by which it could tell
        server.content, server.tag = zipped(dict(list(members.items())[:2])), ""
        serve(server.content)
    else:
        server.ranges = False
    fetch(server)
    assert Aist().missing() is None
    record = json.loads((data_directory / "aist" / "fetched.json").read_text())
    assert record["sha256"] == hashlib.sha256(server.content).hexdigest()


def test_another_size_is_refused_before_it_is_fetched(
    serve: Any, data_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(b"<html>Please log in</html>")
    monkeypatch.setattr(aist_fetch, "MEGABYTES", 834)
    with pytest.raises(DataError, match=r"Expected about 834 MB, but .* has 26 bytes: it is another file"):
        fetch(server)
    assert left(data_directory) == []


def test_what_was_fetched_before_has_to_come_again(serve: Any, members: dict[str, bytes], data_directory: Path) -> None:
    server = serve(zipped(members, b"a"))
    fetch(server)
    first = server.content
    for path in (data_directory / "aist").glob("*[!.]*npz"):
        path.unlink()
    (data_directory / "aist" / "manifest.json").unlink()

    serve(zipped(members, b"b"))
    with pytest.raises(DataError, match=r"Expected SHA-256 \w{64}, as fetched before, .*Nothing was installed; remove"):
        fetch(server)
    assert left(data_directory) == ["fetched.json"]
    serve(zipped(members, b"longer"))
    with pytest.raises(DataError, match=rf"Expected {len(first)} bytes, as fetched before, but .*; remove .*fetched"):
        fetch(server)
    assert left(data_directory) == ["fetched.json"]
    output: list[str] = []
    serve(first)
    fetch(server, output.append)
    assert "as fetched before" in " ".join(output)
    assert Aist().missing() is None


@pytest.mark.parametrize(
    "name", ["../evil.pkl", "keypoints3d/../../evil.pkl", "/evil.pkl", "C:/evil.pkl", "a\\..\\evil.pkl", ".."]
)
def test_a_member_that_leads_out_of_the_folder_condemns_the_archive(
    serve: Any, members: dict[str, bytes], data_directory: Path, tmp_path: Path, name: str
) -> None:
    server = serve(zipped(members | {name: b"evil"}))
    with pytest.raises(DataError, match=r"Refused the archive: its member .* would lie outside its folder"):
        fetch(server)
    assert left(data_directory) == []
    assert not list(tmp_path.rglob("evil*")) and not Path("/evil.pkl").exists()


def test_members_are_taken_by_name_wherever_they_lie(
    serve: Any, members: dict[str, bytes], data_directory: Path
) -> None:
    names = list(members)
    moved = {f"aist_plusplus_final/deep/{name}": content for name, content in members.items()}
    ignored = {"aist_plusplus_final/ignore_list.txt": Path(names[0]).stem.encode()}
    fetch(serve(zipped({"README.pkl": b"no", "__MACOSX/._x.pkl": b"no"} | moved | ignored)))
    manifest = json.loads((data_directory / "aist" / "manifest.json").read_text())
    assert sorted(manifest["sequences"]) == sorted(Path(name).stem for name in names[1:])
    assert (manifest["ignore_list"], manifest["skipped"]) == (1, [])


def test_a_list_of_sequences_to_ignore_may_lie_in_the_data_directory(
    serve: Any, members: dict[str, bytes], data_directory: Path
) -> None:
    (data_directory / "aist").mkdir(parents=True)
    (data_directory / "aist" / "ignore_list.txt").write_text(Path(next(iter(members))).stem)
    fetch(serve())
    manifest = json.loads((data_directory / "aist" / "manifest.json").read_text())
    assert (len(manifest["sequences"]), manifest["ignore_list"]) == (2, 1)


def damaged(content: bytes) -> bytes:
    middle = len(content) // 3
    return content[:middle] + bytes(byte ^ 255 for byte in content[middle : middle + 50]) + content[middle + 50 :]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda members: b"not a zip" * 50, "no readable zip archive"),
        (lambda members: damaged(zipped(members)), "no readable zip archive"),
        (lambda members: zipped({"a.txt": b"a"}), r"holds no AIST\+\+ sequences"),
        (lambda members: zipped(members | {f"x/{Path(next(iter(members))).name}": b""}), "twice"),
        (lambda members: zipped({next(iter(members)): b"0" * 700_000}), "700000 bytes"),
        (lambda members: zipped({next(iter(members)): pickle.dumps(print)}), "asks for builtins.print"),
    ],
    ids=["text", "damaged", "other", "twice", "huge", "malicious"],
)
def test_an_archive_that_cannot_be_used_leaves_nothing(
    serve: Any,
    members: dict[str, bytes],
    data_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Any,
    message: str,
) -> None:
    monkeypatch.setattr(aist_fetch, "LARGEST_FILE_BYTES", 500_000)
    server = serve(change(members))
    with pytest.raises(DataError, match=message):
        fetch(server)
    assert left(data_directory) == []
    assert Aist().missing() is not None


def test_errors_of_the_server_are_tried_again_where_that_may_help(serve: Any, data_directory: Path) -> None:
    server = serve()
    server.statuses = [404]
    with pytest.raises(OSError, match="the server says 404 Not Found"):
        fetch(server)
    assert len(server.asked) == 1
    server.statuses = [503, 429]
    fetch(server)
    assert len(server.asked) == 4
    assert Aist().missing() is None


def test_no_server_and_no_http_are_told(serve: Any, data_directory: Path, tmp_path: Path) -> None:
    server = serve()
    for address, message in (
        ("http://127.0.0.1:1/x.zip", r"127\.0\.0\.1:1/x\.zip: .*refused; 0 bytes are kept"),
        ((tmp_path / "x.zip").as_uri(), "begins with http:// or https://, got 'file:"),
    ):
        server.url = address
        with pytest.raises((OSError, DataError), match=message):
            fetch(server)
        assert left(data_directory) == []


def test_one_download_at_a_time(serve: Any, data_directory: Path) -> None:
    with (
        download.alone(data_directory / "aist"),
        pytest.raises(OSError, match=r"another download into .* is going on"),
    ):
        fetch(serve())


def test_what_a_killed_import_left_is_removed(serve: Any, data_directory: Path) -> None:
    leftover = data_directory / "aist" / ".unpacked-killed"
    (leftover / "keypoints3d").mkdir(parents=True)
    (leftover / "keypoints3d" / "x.pkl").touch()
    fetch(serve())
    assert not leftover.exists()
