"""The page of the keys that seal secrets: another first key, and no older ones."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from ...store import audit
from ...store.rotation import KeyInUse, forget_older, rotate, sealed
from ...store.secrets import KeyTrouble, is_given, key_place
from ..roles import ADMIN, needs


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def keys(request: HttpRequest) -> HttpResponse:
    """``do``: rotate, or forget the older ones."""
    do = request.POST.get("do")
    try:
        if request.method == "POST" and do in ("rotate", "forget"):
            with transaction.atomic():
                if do == "rotate":
                    now = rotate()
                    audit.record(str(request.user), "secrets sealed anew", secrets=now.secrets, keys=now.keys)
                    messages.success(request, f"{now.secrets - now.lost} secrets are sealed with the first key.")
                else:
                    forget_older()
                    audit.record(str(request.user), "older keys forgotten")
                    messages.success(request, "Only the first key is kept.")
            return redirect("keys")
        known = {"sealed": sealed(), "trouble": ""}
    except KeyInUse as error:
        messages.error(request, str(error))
        return redirect("keys")
    except (KeyTrouble, OSError) as error:
        known = {"sealed": None, "trouble": str(error)}
    return render(request, "service/keys.html", {**known, "place": key_place(), "is_given": is_given()})
