"""Reading of text files of users, with any byte order mark and any line ends."""

import codecs
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
