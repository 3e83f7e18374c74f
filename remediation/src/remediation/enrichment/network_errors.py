"""What goes wrong between a server and here, as SourceErrors in words.

No text of the library's is in them: it may quote a header with a token in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
import urllib3

from ..sources.errors import CertificateRefused, CutOff, Unreachable
from ..sources.http_answer import LATER


class Exchange:
    """One request. ``began``: its answer has begun."""

    began = False


@contextmanager
def in_words(host: str | None, serves: str, *, cut_off: str, silent: str, remedy: str) -> Iterator[Exchange]:
    """Raises SourceError for what the block raises.

    ``serves`` is what the host serves. ``cut_off`` and ``silent`` begin the texts for an answer that broke off and for
    none, ``remedy`` says what to do about none.
    """
    exchange = Exchange()
    try:
        yield exchange
    except requests.exceptions.SSLError:
        raise CertificateRefused(
            f"The certificate of {host}, which serves {serves}, is not trusted.",
            "If its authority is your own, name the file of its certificate in REQUESTS_CA_BUNDLE.",
        ) from None
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        if exchange.began:
            raise CutOff(f"{cut_off} broke off ({type(error).__name__}).", LATER) from None
        raise Unreachable(f"{silent} ({type(error).__name__}).", remedy) from None
    except OSError:
        raise CertificateRefused(
            "The file of trusted certificates cannot be read.", "Name one in REQUESTS_CA_BUNDLE that is there."
        ) from None
