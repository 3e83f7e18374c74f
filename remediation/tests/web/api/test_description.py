"""The JSON API against its own description, by schemathesis: over a socket, with what fits the description and what
does not. What it answers is always as described, what does not fit is refused, and without a key nothing is told."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
import requests
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.db import connections
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import (
    CheckFunction,
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from waitress.server import create_server

from remediation.store import models
from remediation.store.api_keys import make_key
from remediation.store.devices import regroup
from remediation.store.intake import take_in
from remediation.web.api.urls import BASE, api

from ...store.scans import scan

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
DESCRIBED = json.loads(json.dumps(api.get_openapi_schema(path_prefix=f"/{BASE}")))
SCHEMA = schemathesis.openapi.from_dict(DESCRIBED)
# The same in every run.
FEW = settings(
    max_examples=6,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# Not that all that fits is accepted: numbers of rows, cursors and bytes have to be those that there are.
CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
    ignored_auth,
]


@pytest.fixture
def live(project: models.Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the application, which has a row of each kind, on a web server as in service."""
    monkeypatch.setattr("django.conf.settings.API_REQUESTS", 10**9)
    take_in(models.Source.objects.create(name="other", kind="insightvm"), scan({"web": ["critical-1", "low-9"]}, DAY))
    regroup()
    server = create_server(get_wsgi_application(), host="127.0.0.1", port=0, threads=1)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.close()
    server.task_dispatcher.shutdown()
    thread.join(30)
    connections.close_all()


def test_the_description_that_is_served_is_the_one_that_is_tried(live: str) -> None:
    assert requests.get(f"{live}/{BASE}openapi.json", timeout=30).json() == DESCRIBED


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_it_does_what_it_says(mode: GenerationMode, live: str) -> None:
    key = make_key("program", "approver", "somebody")
    models.Upload.objects.create(who="API key program", name="a.csv", size=5)
    there = {"slug": "dmz", **dict.fromkeys(("plan", "device", "run", "number", "ticket"), 1)}
    statuses: Counter[int] = Counter()
    for found in SCHEMA.get_all_operations():
        operation = found.ok()

        @FEW
        @given(case=operation.as_strategy(generation_mode=mode))
        def tried(case: schemathesis.Case) -> None:
            if mode is GenerationMode.POSITIVE:
                # What there is; tests/web/api/test_reading.py asks for what there is not.
                case.path_parameters = {name: there[name] for name in case.path_parameters or {}}
            answer = case.call(base_url=live, headers={"Authorization": f"Bearer {key}"})
            statuses[answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)

        tried()
    # It has come to what is behind the refusals, and to them.
    if mode is GenerationMode.POSITIVE:
        assert statuses[200] > 40 and statuses[404] < 20, statuses
    else:
        assert statuses[422] > 50 and statuses[401] > 20 and statuses[200] < 10, statuses
