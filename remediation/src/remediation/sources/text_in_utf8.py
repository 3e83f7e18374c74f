"""A text file as UTF-8, whatever it was: UTF-8, UTF-16 with a byte order mark, Windows-1252."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from .errors import CutOff, NotUnderstood
from .progress import Tell, unheard

BLOCK = 1 << 20
UTF_8 = "utf-8"
UTF_16 = "utf-16"
WINDOWS = "cp1252"


@contextmanager
def in_utf8(path: Path, tell: Tell = unheard) -> Iterator[Path]:
    """The text without a byte order mark to fear: valid UTF-8 (a mark of UTF-8 stays) and without a NUL. It is the file
    itself, or a copy that is there for the time of the block.

    A file without a byte order mark is in UTF-8 where all of it can be, else in Windows-1252. Memory is bounded.
    Raises NotUnderstood for a file that is in none of them and for a NUL, CutOff for one that ends within a character.
    """
    encoding = marked_encoding(path)
    if encoding != UTF_16 and _is_utf8(path, marked=encoding == UTF_8, tell=tell):
        yield path
        return
    with TemporaryDirectory(prefix="remediation-text-") as folder:
        copy = Path(folder) / "text"
        _rewrite(path, encoding or WINDOWS, copy, tell)
        yield copy


def marked_encoding(path: Path) -> str | None:
    """The encoding that a byte order mark tells; None without one."""
    with path.open("rb") as file:
        begin = file.read(3)
    if begin.startswith(codecs.BOM_UTF8):
        return UTF_8
    return UTF_16 if begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else None


def decoded(begin: bytes, encoding: str | None, whole: bool) -> str:
    """The text of the begin of a file, or of a ``whole`` one; without a byte order mark. Raises NotUnderstood."""
    for name in (encoding,) if encoding else (UTF_8, WINDOWS):
        try:
            text = codecs.getincrementaldecoder(name)().decode(begin, whole)
        except UnicodeDecodeError:
            continue
        return text.removeprefix("\ufeff")
    raise _unknown("The begin of the file", encoding)


def _is_utf8(path: Path, marked: bool, tell: Tell) -> bool:
    decoder = codecs.getincrementaldecoder(UTF_8)()
    done = 0
    size = path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            _refuse_nul(block, done)
            try:
                # Most blocks are ASCII, and that is seen ten times as fast. A character may go on from the last block.
                if not block.isascii() or decoder.getstate()[0]:
                    decoder.decode(block)
            except UnicodeDecodeError:
                if marked:
                    raise _unknown(
                        f"The file, which says that it is in UTF-8, between bytes {done + 1} and "
                        f"{done + len(block)}",
                        UTF_8,
                    ) from None
                return False
            done += len(block)
            tell(f"{done:,} of {size:,} bytes checked")
    if decoder.getstate()[0]:
        raise _within_a_character("UTF-8")
    return True


def _rewrite(path: Path, encoding: str, copy: Path, tell: Tell) -> None:
    decoder = codecs.getincrementaldecoder(encoding)()
    done = written = 0
    size = path.stat().st_size
    with path.open("rb") as file, copy.open("wb") as to:
        while block := file.read(BLOCK):
            try:
                text = decoder.decode(block)
            except UnicodeDecodeError:
                where = f"The file, between bytes {done + 1} and {done + len(block)},"
                raise _unknown(where, encoding) from None
            written += _write(to, text, written)
            done += len(block)
            tell(f"{done:,} of {size:,} bytes rewritten as UTF-8")
    try:
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        raise _within_a_character("UTF-16") from None


def _write(to: BinaryIO, text: str, written: int) -> int:
    # A surrogate cannot come out of a decoder.
    block = text.encode()
    _refuse_nul(block, written)
    return to.write(block)


def _refuse_nul(block: bytes, done: int) -> None:
    if (place := block.find(b"\0")) >= 0:
        raise NotUnderstood(
            f"The file is no text: byte {done + place + 1} of it in UTF-8 is a NUL.",
            "Give the report as the source wrote it, as CSV.",
        )


def _unknown(where: str, encoding: str | None) -> NotUnderstood:
    known = {UTF_8: "not in UTF-8", UTF_16: "not in UTF-16"}
    is_what = known.get(encoding or "", "in neither UTF-8 nor Windows-1252")
    return NotUnderstood(f"{where} is {is_what}.", "Save the report as CSV in UTF-8.")


def _within_a_character(name: str) -> CutOff:
    return CutOff(f"The file ends in the middle of a character of {name}.", "Make the report again.")
