"""Tokens, scopes, tenant, 401 and 403."""

import threading

import pytest
import requests

from halo_emulator import Fault, HaloEmulator


def test_a_token_has_halos_shape(halo, api):
    body = api.token().json()
    assert body["token_type"] == "Bearer" and body["expires_in"] == 3600 and type(body["expires_in"]) is int
    assert body["scope"] == "all" and "refresh_token" not in body


def test_a_json_body_is_refused(halo):
    form = {"grant_type": "client_credentials", "client_id": halo.client_id, "client_secret": halo.client_secret}
    answer = requests.post(halo.auth_server + "/token", json=form, timeout=5)
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    "change, status, error",
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "wrong"}, 401, "invalid_client"),
        ({"scope": "all read:agents"}, 400, "invalid_scope"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_bad_token_requests(api, change, status, error):
    answer = api.token(**change)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_several_granted_scopes_are_fine(api):
    assert api.token("read:tickets edit:tickets").json()["scope"] == "read:tickets edit:tickets"


def test_a_wrong_or_missing_tenant_is_500():
    with HaloEmulator(tenant="northwind") as halo:
        form = {"grant_type": "client_credentials", "client_id": halo.client_id, "client_secret": halo.client_secret}
        statuses = [
            requests.post(halo.auth_server + "/token" + tail, data=form, timeout=5).status_code
            for tail in ("", "?tenant=other", "?tenant=northwind")
        ]
        assert statuses == [500, 500, 200]
        info = requests.get(halo.resource_server + "/authinfo", timeout=5).json()
        assert info == {"auth_url": halo.auth_server, "tenant_id": "northwind"}


def test_a_shared_authorisation_server_has_the_address_at_its_root():
    with HaloEmulator(tenant="northwind") as halo:
        halo.auth_at_root = True
        form = {"grant_type": "client_credentials", "client_id": halo.client_id, "client_secret": halo.client_secret}

        def status(tail, **more):
            return requests.post(halo.url + tail, data={**form, **more}, timeout=5).status_code

        assert status("/auth/token?tenant=northwind") == 404 and halo.peak_token_requests == 0
        assert status("/token?tenant=northwind") == 200 and halo.peak_token_requests == 1
        assert [status("/token"), status("/token", tenant="northwind"), status("/token?tenant=x")] == [500] * 3
        assert requests.post(halo.url + "/TOKEN/?tenant=northwind", data=form, timeout=5).json()["access_token"]
        assert halo.auth_server == halo.url
        info = requests.get(halo.resource_server + "/authinfo", timeout=5).json()
        assert info == {"auth_url": halo.url, "tenant_id": "northwind"}
        halo.tenant = None
        assert status("/token") == 200


def test_faults_at_a_shared_authorisation_server(halo, api):
    halo.auth_at_root = True
    halo.inject(Fault("status", path="token", status=502))
    halo.inject(Fault("status", path="auth/token", status=503))
    assert [api.token().status_code, api.token().status_code] == [502, 200]
    assert api.session.post(halo.url + "/auth/token", timeout=5).status_code == 503


@pytest.mark.parametrize("at_root", [False, True])
def test_an_allow_list_refuses_token_requests(halo, api, at_root):
    halo.auth_at_root = at_root
    halo.token_status = 403
    answer = api.token()
    assert (answer.status_code, answer.content) == (403, b"") and api.get("/Tickets").status_code == 200
    halo.token_status = None
    assert api.token().status_code == 200


def test_without_a_good_bearer_401_is_empty(halo, api):
    halo.token_lifetime = 0
    expired = api.token().json()["access_token"]
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Bearer " + expired}):
        answer = requests.get(halo.resource_server + "/Tickets", headers=headers, timeout=5)
        assert (answer.status_code, answer.content) == (401, b"") and "WWW-Authenticate" in answer.headers


def test_revoked_tokens_stop_working(halo, api):
    assert api.get("/Status").status_code == 200
    halo.revoke_tokens()
    assert api.get("/Status").status_code == 401
    assert api.log_in().get("/Status").status_code == 200


def test_scopes_decide(api):
    api.log_in("read:tickets")
    assert api.get("/Tickets").status_code == 200 and api.get("/Team").status_code == 200
    refused = [
        api.post("/Tickets", [{"summary": "x"}]),
        api.post("/Actions", [{"ticket_id": 2101}]),
        api.get("/Client"),
    ]
    assert [(answer.status_code, answer.content) for answer in refused] == [(403, b"")] * 3
    assert api.log_in("edit:tickets").post("/Tickets", [{"summary": "x"}]).status_code == 201
    assert api.log_in("read:customers").get("/Client").status_code == 200


def test_denied_areas_are_403_and_empty(halo, api):
    halo.denied = {("GET", "team"), ("DELETE", "tickets")}
    assert (api.get("/Team").status_code, api.get("/TEAM/1").status_code) == (403, 403)
    assert api.delete("/Tickets/2101").status_code == 403
    assert api.get("/Agent").status_code == 200 and api.get("/Tickets").status_code == 200


def test_peak_token_requests(halo, api):
    assert halo.peak_token_requests == 1
    halo.inject(Fault("hang", path="auth/token", seconds=0.2, times=3))
    threads = [threading.Thread(target=api.token) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert halo.peak_token_requests == 3
