"""Django's settings, out of the environment.

REMEDIATION_DATA       the data folder: key file, embedded database
DATABASE_URL           the database, as a URL or as libpq's words; whoever starts the embedded server sets it
REMEDIATION_KEEP_DAYS  for how many days a snapshot can be compared with others (default: 400)
REMEDIATION_URL        the address at which people reach the pages, for links in tickets
REMEDIATION_HOSTS      the names by which browsers reach the pages, with commas between; this machine's are among them
REMEDIATION_HTTPS      1 where browsers reach them by HTTPS only, through a proxy: cookies are then sent over HTTPS only
REMEDIATION_PROXIES    the addresses or networks of proxies whose X-Forwarded-Proto is believed, with commas between
                       (default: this machine's 127.0.0.1 and ::1)
REMEDIATION_NETWORKS   private addresses or networks at which administrators may point the service from its pages, with
                       commas between (default: none; public ones need no permission)
REMEDIATION_API_REQUESTS  how many requests a minute the JSON API takes from each key (default: 120)
REMEDIATION_KEV_URL    where CISA's catalogue of exploited vulnerabilities is read once a day, as JSON (default: at
                       CISA); off: nowhere
REMEDIATION_EPSS_URL   the same for FIRST's scores of all CVEs, as a CSV file
REMEDIATION_CISCO_URL  where Cisco's openVuln answers, once somebody has entered an access to it (default: at Cisco);
                       off: nowhere
REMEDIATION_CISCO_TOKEN_URL  where it gives tokens

REMEDIATION_OIDC_ISSUER              the address of an OpenID provider by which people may sign in; it is registered
                                     there with the address of the pages and /sign-in/provider/done/ behind it
REMEDIATION_OIDC_CLIENT_ID           as what the provider knows the service
REMEDIATION_OIDC_CLIENT_SECRET       the secret for that, or, with _FILE at the end, a file that holds it
REMEDIATION_OIDC_NAME                the provider's name on the page for signing in (default: single sign-on)
REMEDIATION_OIDC_NEW                 viewer: whom the provider knows and nobody here does is made a viewer (default:
                                     nobody comes in for whom there is no user)

REMEDIATION_MAIL       the server by which mail is sent: smtp://user:password@host:587 (by STARTTLS, never without),
                       smtps://user:password@host:465, or smtp+plain://host:25 for one in a network that is trusted;
                       or, with _FILE at the end, a file that holds this (default: no mail is sent)
REMEDIATION_MAIL_FROM  the sender's address, as Remediation <alerts@example.com>

The key that signs sessions is derived from the one that seals secrets (``web/wsgi.py``).
"""

from __future__ import annotations

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from . import log, mail_server, open_id_provider
from .data_folder import data_folder

DATA = data_folder()
PUBLIC_URL = os.environ.get("REMEDIATION_URL", "").rstrip("/")


def database(address: str) -> dict[str, Any]:
    """Django's words for a database that libpq's name. An empty address: none, and connecting says so.

    Raises ImproperlyConfigured. It quotes nothing of the address: what libpq takes for a host, a port or a database may
    be a part of a password that was not written as a URL wants it.
    """
    try:
        options = conninfo_to_dict(address)
    except ProgrammingError:
        raise ImproperlyConfigured(f"DATABASE_URL cannot be understood. {_AS_A_URL}") from None
    if not _is_whole(address, str(options.get("port") or "")):
        raise ImproperlyConfigured(f"DATABASE_URL has an @, a / or a : in a wrong place. {_AS_A_URL}")
    words = {"NAME": "dbname", "HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password"}  # nosec B105
    named = {name: str(options.pop(word, None) or "") for name, word in words.items()}
    given = f"{_ALIVE} {options.pop('options', None) or ''}".strip()
    return {
        "ENGINE": "django.db.backends.postgresql",
        **named,
        "OPTIONS": {**_KNOWN_AS, **_PATIENCE, **options, "options": given},
    }


# For who looks into pg_stat_activity.
_KNOWN_AS = {"application_name": "remediation"}
# Over a network: no endless wait for a server that has vanished (seconds, milliseconds), and none of the server for a
# machine of ours that has, whose locks it would keep for hours.
_PATIENCE = {"connect_timeout": "10", "tcp_user_timeout": "20000"}
_ALIVE = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"


_AS_A_URL = (
    "Write it as postgresql://user:password@host:5432/database, and in the password %40 for @, %2F for /, %3A for :, "
    "%23 for #, %3F for ? and %25 for %."
)


def _is_whole(address: str, port: str) -> bool:
    """Whether libpq cannot have taken a part of the password in a URL for the host, the port or the database."""
    if not port.replace(",", "").isdecimal() and port:
        return False
    _, is_url, rest = address.partition("://")
    authority, _, path = rest.partition("/")
    return not is_url or (authority.count("@") <= 1 and "@" not in path.partition("?")[0])


def number(variable: str, default: int, of: str) -> int:
    """A number of something, as "days", that an environment variable gives. Raises ImproperlyConfigured."""
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise ImproperlyConfigured(f"{variable} is {text!r}, and has to be a number of {of}, 1 or more.")
    return int(text)


def networks(text: str) -> list[IPv4Network | IPv6Network]:
    """Addresses and networks with commas between. Raises ImproperlyConfigured."""
    try:
        return [ip_network(part.strip()) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise ImproperlyConfigured(
            "A proxy (--proxy, REMEDIATION_PROXIES) or a network (REMEDIATION_NETWORKS) is an address or a network, as "
            f"192.0.2.7 or 192.0.2.0/24: {error}."
        ) from None


# The addresses of both publishers. CISA's is official. FIRST's was seen in many programs, and redirects to the file of
# the day.
FEEDS = {
    "kev": os.environ.get("REMEDIATION_KEV_URL")
    or "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
    "epss": os.environ.get("REMEDIATION_EPSS_URL") or "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz",
}
FEEDS = {name: "" if address == "off" else address for name, address in FEEDS.items()}
# Both official.
CISCO = {
    "api": os.environ.get("REMEDIATION_CISCO_URL") or "https://apix.cisco.com/security/advisories/v2",
    "token": os.environ.get("REMEDIATION_CISCO_TOKEN_URL") or "https://id.cisco.com/oauth2/default/v1/token",
}
CISCO = {name: "" if address == "off" else address for name, address in CISCO.items()}
KEEP_DAYS = number("REMEDIATION_KEEP_DAYS", 400, "days")
API_REQUESTS = number("REMEDIATION_API_REQUESTS", 120, "requests a minute")
DATABASES = {"default": database(os.environ.get("DATABASE_URL", ""))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_htmx",  # it brings htmx itself
    "procrastinate.contrib.django",
    "remediation.store",
]
TIME_ZONE = "UTC"
USE_TZ = True
LOGGING = log.CONFIGURATION

# Jobs
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = ""
PROCRASTINATE_IMPORT_PATHS = [
    f"remediation.jobs.{name}" for name in ("tasks", "report_tasks", "feed_tasks", "message_tasks")
]

# Pages
_WEB = Path(__file__).parent / "web"
_HTTPS = os.environ.get("REMEDIATION_HTTPS", "") not in ("", "0")
PROXIES = networks(os.environ.get("REMEDIATION_PROXIES", "")) or networks("127.0.0.1,::1")
NETWORKS = networks(os.environ.get("REMEDIATION_NETWORKS", ""))
ROOT_URLCONF = "remediation.web.urls"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *filter(None, os.environ.get("REMEDIATION_HOSTS", "").split(","))]
MIDDLEWARE = [
    "remediation.web.head.head",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "remediation.web.content_policy.content_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "remediation.web.accounts.admitted.admitted",
    # Every page is for people who have signed in, except those that say otherwise.
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "remediation.web.roles.roles",
    "remediation.web.no_nul.no_nul",
    "remediation.web.reader.reader",
    "django_htmx.middleware.HtmxMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [_WEB],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.tz",
                "remediation.web.roles.may",
            ],
            "builtins": ["remediation.web.shown"],
        },
    }
]
STATIC_URL = "/static/"
STATICFILES_DIRS = [_WEB / "static"]
# Straight out of the packages: nothing has to be collected before the pages can be served.
WHITENOISE_USE_FINDERS = True
# How long a link with which somebody sets a password is good, in seconds.
PASSWORD_RESET_TIMEOUT = 3 * 24 * 60 * 60
OPEN_ID = open_id_provider.from_environment(os.environ)
MAIL = mail_server.from_environment(os.environ)
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "overview"
_VALIDATORS = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": f"{_VALIDATORS}.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": f"{_VALIDATORS}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATORS}.CommonPasswordValidator"},
]
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if _HTTPS else 0
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
