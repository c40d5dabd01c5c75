"""Names and text files of users: any byte order mark, line ends and undecodable bytes."""

import codecs
import re
from pathlib import Path

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_text(path: Path) -> str:
    """Read a text file with plain line ends: UTF-8 with or without a byte order mark, or UTF-16 with one.

    Raises:
        OSError: The file cannot be read.
        ValueError: The encoding is another one, such as UTF-16 without a mark; the message names the file.
    """
    content = path.read_bytes()
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        reason = f"{error.reason} at byte {error.start}"
        raise ValueError(f"{path} is no text in {encoding} ({reason}): save it as UTF-8") from None
    if "\0" in text:
        raise ValueError(f"{path} is no text in {encoding} (it holds null characters): save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def short_name(path: str) -> str:
    """Name of a file without its endings, safe in tables, file names and on the command line.

    >>> short_name("data/my walk.v2.npz")
    'my-walk'
    """
    return re.sub(r"[^\w-]+", "-", _decoded(Path(path).name).partition(".")[0]).strip("-") or "file"


def _decoded(name: str) -> str:
    """Decode the bytes of a file name as UTF-8 where Python could not, so that it is the same under every locale."""
    try:
        content = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        content = name.encode("utf-8", "backslashreplace")
    return content.decode("utf-8", "backslashreplace")
