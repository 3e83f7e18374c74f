"""Certificates of authorities that a person has pasted, as files, which is how they are given to a connection."""

from __future__ import annotations

import os
import ssl
import tempfile
from hashlib import sha256
from pathlib import Path

from django.conf import settings

from ..data_folder import make_data_folder


def require_certificates(certificates: str) -> None:
    """Raises ValueError for what is none, with the reason for the person who pasted it."""
    try:
        ssl.create_default_context(cadata=certificates)
    except (ssl.SSLError, ValueError):
        raise ValueError("This is no certificate in PEM form, which begins with BEGIN CERTIFICATE.") from None


def file_of(certificates: str) -> Path | None:
    """A file with the certificates in the data folder, named after what is in it; None for none."""
    if not certificates:
        return None
    path = Path(settings.DATA) / "authorities" / f"{sha256(certificates.encode()).hexdigest()[:16]}.pem"
    if not path.exists():
        make_data_folder(path.parent.parent, to_write=True)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        # Whole or not at all: another process may look for it now.
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as made:
            made.write(certificates)
        os.replace(made.name, path)
    return path
