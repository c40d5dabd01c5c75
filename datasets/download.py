"""Download of one file over HTTP, resumed where a former attempt was cut off."""

import contextlib
import fcntl
import http
import http.client
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from datasets import store
from datasets.errors import DataError

TIMEOUT = 60.0  # seconds without a byte
PAUSES = (2.0, 10.0, 30.0)  # seconds before each further attempt; progress starts them anew
BLOCK = 1 << 20
_CUT = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)
_TRANSIENT = (408, 429)  # and all of the server's own
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class _ChangedError(Exception):
    """The file on the server is not the one that the bytes at hand are from."""


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other downloads out of a folder.

    Raises:
        BlockingIOError: Another download is going on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".fetch.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(f"another download into {folder} is going on; wait for it") from None
        yield


def download(url: str, partial: Path, check: Callable[[int], None], watch: Callable[[int, int], None]) -> None:
    """Fetch `url` into `partial`, going on after the bytes that are there.

    Address, size and the server's mark of the version lie beside the bytes as JSON. A server that has another version
    now, or cannot resume, gives the whole file again.

    Args:
        url: Address with http or https.
        partial: File that takes the bytes; it is complete when the function returns.
        check: Function of the size that the server states, called before a byte is written; it raises to refuse.
        watch: Function of the bytes at hand and the bytes in all.

    Raises:
        OSError: The server cannot be reached, refuses, or was cut off again and again; the bytes at hand are kept.
        DataError: The address is not of http, or the server states no size.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"Expected an address that begins with http:// or https://, got {url!r}.")
    pauses = list(PAUSES)
    while True:
        before = _size(partial)
        try:
            _attempt(url, partial, check, watch)
            return
        except _ChangedError:
            if not before:
                raise OSError(f"{url}: the server answers with a part of the file, which was not asked for") from None
            forget(partial)
            continue
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in _TRANSIENT and error.code < 500:
                raise OSError(f"{url}: the server says {error.code} {error.reason}") from None
            failure = f"{error.code} {error.reason}"
        except _CUT as error:
            failure = str(getattr(error, "reason", error)) or type(error).__name__
        if _size(partial) > before:
            pauses = list(PAUSES)
        if not pauses:
            raise OSError(f"{url}: {failure}; {_size(partial)} bytes are kept, the same command goes on from there")
        time.sleep(pauses.pop(0))


def forget(partial: Path) -> None:
    """Remove the bytes at hand and the facts about them."""
    partial.unlink(missing_ok=True)
    _beside(partial).unlink(missing_ok=True)


def _attempt(url: str, partial: Path, check: Callable[[int], None], watch: Callable[[int, int], None]) -> None:
    validators = store.read_json(_beside(partial), f"remove it and {partial.name}") or {}
    have = _size(partial) if validators.get("url") == url else 0
    if have and have == validators.get("bytes"):
        watch(have, have)
        return
    headers = {"User-Agent": "quantizer-bench", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if validators.get("version"):
            headers["If-Range"] = validators["version"]
    try:
        response: Any = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if have and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            error.close()
            raise _ChangedError from None
        raise
    with response:
        have, total = _place(response, have, validators.get("bytes"))
        check(total)
        version = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        # A weak tag does not promise the same bytes, so it cannot stand in If-Range.
        store.write_json(
            _beside(partial), {"url": url, "bytes": total, "version": "" if version.startswith("W/") else version}
        )
        with partial.open("ab" if have else "wb") as file:
            watch(have, total)
            while block := response.read(min(BLOCK, total - have)):
                file.write(block)
                have += len(block)
                watch(have, total)
    if have < total:
        raise ConnectionError(f"the connection ended after {have} of {total} bytes")


def _place(response: Any, have: int, former_total: int | None) -> tuple[int, int]:
    """Offset in the file at which the bytes of a response begin, and the size of the whole file."""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        content_range = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if content_range is None or int(content_range[1]) != have or int(content_range[2]) != former_total:
            raise _ChangedError
        return have, int(content_range[2])
    length = response.headers.get("Content-Length", "")
    if not length.isdecimal():
        raise DataError(f"Expected {response.url} to tell its size (Content-Length), got {length or 'none'}.")
    return 0, int(length)


def _beside(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
