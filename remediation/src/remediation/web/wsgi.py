"""The pages as a WSGI application, for a process that ``serve`` has started."""

from __future__ import annotations

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from ..store.secrets import derived

# Whoever can open the secrets can sign sessions: several web servers need one key among them, and not two.
settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS = derived("web sessions")
application = get_wsgi_application()
