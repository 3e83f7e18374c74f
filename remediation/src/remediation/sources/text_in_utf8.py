"""A text file as UTF-8, whatever it was: UTF-8, UTF-16 with a byte order mark, Windows-1252, or UTF-8 in which single
bytes are of Windows-1252, as where a tool has put texts of several together."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .errors import CutOff, NotUnderstood
from .private_folder import private_folder
from .progress import Tell, unheard

BLOCK = 1 << 20
UTF_8 = "utf-8"
UTF_16 = "utf-16"
# A byte that is no UTF-8 stands as a lone surrogate, as Python's surrogateescape has it; what it is in Windows-1252.
_OF_WINDOWS = {0xDC00 + byte: bytes([byte]).decode("cp1252", "replace") for byte in range(0x80, 0x100)}
_SURROGATE, _OTHER = re.compile("[\udc80-\udcff]"), re.compile("[^\\x00-\\x7f\udc80-\udcff]")
_NOT_WINDOWS = re.compile("[\udc81\udc8d\udc8f\udc90\udc9d]")


@dataclass(frozen=True)
class TextInUtf8:
    """``path`` holds valid UTF-8 without a NUL, perhaps with a byte order mark. ``not_utf8`` counts the bytes of the
    file that are no UTF-8 where others beyond ASCII are."""

    path: Path
    not_utf8: int = 0


@contextmanager
def in_utf8(path: Path, tell: Tell = unheard) -> Iterator[TextInUtf8]:
    """The text: the file itself, or a copy that is there for the time of the block.

    Without a byte order mark of UTF-16, each byte that is no UTF-8 is one of Windows-1252; what that has not is read as
    U+FFFD, the sign for such. Memory is bounded. Raises NotUnderstood for a NUL and for a file in which nothing beyond
    ASCII is UTF-8 and not all of it Windows-1252, CutOff for one that ends within a character.
    """
    encoding = marked_encoding(path)
    if encoding != UTF_16 and _is_utf8(path, tell=tell):
        yield TextInUtf8(path)
        return
    with private_folder() as folder:
        copy = folder / "text"
        foreign = _Foreign(is_marked=encoding is not None)
        _rewrite(path, encoding or UTF_8, copy, tell, foreign)
        yield TextInUtf8(copy, foreign.not_utf8)


def marked_encoding(path: Path) -> str | None:
    """The encoding that a byte order mark tells; None without one."""
    with path.open("rb") as file:
        begin = file.read(3)
    if begin.startswith(codecs.BOM_UTF8):
        return UTF_8
    return UTF_16 if begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else None


def decoded(begin: bytes, encoding: str | None, whole: bool) -> str:
    """The text of the begin of a file, or of a ``whole`` one; without a byte order mark. Raises NotUnderstood."""
    try:
        text = _decoder(encoding or UTF_8).decode(begin, whole)
    except UnicodeDecodeError:
        raise _unknown("The begin of the file", encoding) from None
    return text.translate(_OF_WINDOWS).removeprefix("\ufeff")


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    """For UTF-8, one that gives a lone surrogate for each byte that is none."""
    return codecs.getincrementaldecoder(encoding)("surrogateescape" if encoding == UTF_8 else "strict")


class _Foreign:
    """Counts the bytes of a text that are no UTF-8, where anything else in it shows that it is UTF-8."""

    def __init__(self, is_marked: bool) -> None:
        # By its byte order mark, else by the first character beyond ASCII.
        self._is_utf8 = is_marked
        self._count = 0
        # The begin of the block with the first byte that Windows-1252 has not.
        self._unknown: int | None = None

    def read(self, text: str, begin: int) -> str:
        """The text of the file's block from the byte ``begin`` on, in which lone surrogates stand for such bytes."""
        foreign = len(_SURROGATE.findall(text))
        self._count += foreign
        self._is_utf8 = self._is_utf8 or _OTHER.search(text) is not None
        if self._unknown is None and _NOT_WINDOWS.search(text):
            self._unknown = begin
        return text.translate(_OF_WINDOWS) if foreign else text

    @property
    def not_utf8(self) -> int:
        """How many bytes are none, where others are. Raises NotUnderstood for what is neither."""
        if not self._is_utf8 and self._unknown is not None:
            raise _unknown(f"The file, behind byte {self._unknown},", None)
        return self._count if self._is_utf8 else 0


def _is_utf8(path: Path, tell: Tell) -> bool:
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
                return False
            done += len(block)
            tell(f"{done:,} of {size:,} bytes checked")
    if decoder.getstate()[0]:
        raise _within_a_character("UTF-8")
    return True


def _rewrite(path: Path, encoding: str, copy: Path, tell: Tell, foreign: _Foreign) -> None:
    decoder = _decoder(encoding)
    done = written = 0
    size = path.stat().st_size
    with path.open("rb") as file, copy.open("wb") as to:
        while block := file.read(BLOCK):
            try:
                text = decoder.decode(block)
            except UnicodeDecodeError:
                where = f"The file, between bytes {done + 1} and {done + len(block)},"
                raise _unknown(where, encoding) from None
            written += _write(to, foreign.read(text, done), written)
            done += len(block)
            tell(f"{done:,} of {size:,} bytes rewritten as UTF-8")
        try:
            rest = decoder.decode(b"", True)
        except UnicodeDecodeError:
            raise _within_a_character("UTF-16") from None
        _write(to, foreign.read(rest, done), written)


def _write(to: BinaryIO, text: str, written: int) -> int:
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
    is_what = "not in UTF-16" if encoding == UTF_16 else "in neither UTF-8 nor Windows-1252"
    return NotUnderstood(f"{where} is {is_what}.", "Save the report as CSV in UTF-8.")


def _within_a_character(name: str) -> CutOff:
    return CutOff(f"The file ends in the middle of a character of {name}.", "Make the report again.")
