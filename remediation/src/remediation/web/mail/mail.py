"""Whether mail is set up, and a message to try it."""

from __future__ import annotations

from uuid import uuid4

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from ... import mail as post
from ...store import audit
from ..roles import ADMIN, needs


class TestForm(forms.Form):
    """To whom the message goes."""

    to = forms.EmailField(label="To", max_length=254)


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def mail(request: HttpRequest) -> HttpResponse:
    """The server, and a form that sends a message by it. The answer waits until the server has taken it."""
    form = TestForm(request.POST or None, initial={"to": getattr(request.user, "email", "")})
    if request.method == "POST" and form.is_valid():
        try:
            post.send(form.cleaned_data["to"], SUBJECT, TEXT, message_id=post.message_id_of("test", uuid4().hex))
        except post.MailError as error:
            form.add_error(None, f"{error.cause} {error.assistance}")
        else:
            audit.record(str(request.user), "test message sent", form.cleaned_data["to"])
            messages.success(request, f"The server took the message to {form.cleaned_data['to']}.")
            return redirect("mail")
    known = {"form": form, "server": settings.MAIL}
    return render(request, "mail/mail.html", known, status=400 if request.method == "POST" else 200)


SUBJECT = "A test of the remediation service"
TEXT = "Somebody has sent this message to see whether the remediation service can send mail. It can.\n"
