"""Signing in by the provider: to it, and back."""

from __future__ import annotations

import logging

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_safe

from ...open_id_provider import OpenIdProvider
from ...store import identities
from ..roles import ANYBODY, needs
from .arriving import arrive
from .open_id import SignOnFailed, begin, claims_of

_TARGET = "target of single sign-on"
LOG = logging.getLogger(__name__)


@needs(ANYBODY)
@require_safe
@login_not_required
def single_sign_on(request: HttpRequest) -> HttpResponse:
    """Send the browser to the provider. It is a link, because the content policy lets no form lead elsewhere."""
    provider = _provider()
    target = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure())
    request.session[_TARGET] = target if is_ours else resolve_url(settings.LOGIN_REDIRECT_URL)
    try:
        return begin(request, provider, request.build_absolute_uri(reverse("single-sign-on-done")))
    except SignOnFailed as error:
        return _failed(request, error)


@needs(ANYBODY)
@require_safe
@login_not_required
def single_sign_on_done(request: HttpRequest) -> HttpResponse:
    """Take in whom the provider sends back, if there is a user for them; 403 where there is none."""
    provider = _provider()
    try:
        claims = claims_of(request, provider)
    except SignOnFailed as error:
        return _failed(request, error)
    user = identities.user_of(claims, makes_viewers=provider.makes_viewers)
    if user is None or not user.is_active:
        known = {"provider": provider, "claims": claims, "user": user}
        return render(request, "accounts/nobody_here.html", known, status=403)
    target = request.session.pop(_TARGET, "") or resolve_url(settings.LOGIN_REDIRECT_URL)
    return arrive(request, user, target, timezone.now())


def _provider() -> OpenIdProvider:
    """Raises Http404 where there is none."""
    if settings.OPEN_ID is None:
        raise Http404
    provider: OpenIdProvider = settings.OPEN_ID
    return provider


def _failed(request: HttpRequest, error: SignOnFailed) -> HttpResponse:
    LOG.warning("Single sign-on failed, answered with %d: %s", error.status, type(error.__cause__).__name__)
    return render(request, "accounts/not_signed_in.html", {"why": str(error)}, status=error.status)
