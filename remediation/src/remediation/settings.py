"""Django's settings, out of the environment.

REMEDIATION_DATA       the data folder: key file, embedded database
REMEDIATION_URL        the address at which people reach the pages, for links in tickets
REMEDIATION_KEEP_DAYS  for how many days a snapshot can be compared with others (default: 400)
DATABASE_URL           the database, as a URL or as libpq's words; whoever starts the embedded server sets it
"""

from __future__ import annotations

import os
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

from .data_folder import data_folder

DATA = data_folder()
PUBLIC_URL = os.environ.get("REMEDIATION_URL", "").rstrip("/")


def database(address: str) -> dict[str, Any]:
    """Django's words for a database that libpq's name. An empty address: none, and connecting says so."""
    options = conninfo_to_dict(address)
    words = {"NAME": "dbname", "HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password"}  # nosec B105
    named = {name: str(options.pop(word, None) or "") for name, word in words.items()}
    return {"ENGINE": "django.db.backends.postgresql", **named, "OPTIONS": options}


def days(variable: str, default: int) -> int:
    """A number of days that an environment variable gives. Raises ImproperlyConfigured."""
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise ImproperlyConfigured(f"{variable} is {text!r}, and has to be a number of days, 1 or more.")
    return int(text)


KEEP_DAYS = days("REMEDIATION_KEEP_DAYS", 400)
DATABASES = {"default": database(os.environ.get("DATABASE_URL", ""))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["remediation.store"]
TIME_ZONE = "UTC"
USE_TZ = True
