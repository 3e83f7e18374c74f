"""Credentials go to the server that was entered, over TLS that was verified, and nowhere else."""

from __future__ import annotations

import json
import ssl

import pytest
from insightconnect_plugin_runtime.exceptions import ConnectionTestException
from steps import connected, run_action

from komand_haloitsm.util.insightconnect.errors import HaloITSMError

from .hostile import GIVES_A_TOKEN, TOKEN, HostileServer, http, says

SECRET = b"client-secret-of-the-hostile-tests"
TICKETS = says(http(json.dumps({"record_count": 1, "tickets": [{"id": 7, "summary": "s"}]}).encode()))


@pytest.fixture(name="environment", autouse=True)
def _environment(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.fixture(name="halo")
def _halo(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with HostileServer(TICKETS, tls=context) as server:
        yield server


@pytest.mark.parametrize("given", [{}, {"ssl_verify": True}, {"ssl_verify": None}, {"ssl_verify": ""}], ids=repr)
def test_a_certificate_of_nobody_known_is_an_error_unless_verification_is_turned_off(halo, given):
    with pytest.raises(HaloITSMError) as refused:
        connected(halo.parameters(**given)).client.test()
    assert "certificate" in refused.value.cause and refused.value.assistance and refused.value.status is None
    assert halo.requests == [], "something was sent before the certificate was accepted"
    assert halo.connections == 1, "a certificate does not become right by trying again"


def test_a_certificate_of_nobody_known_is_no_reason_to_try_a_create_again(halo):
    connection = connected(halo.parameters())
    with pytest.raises(HaloITSMError, match="certificate"):
        run_action(connection, "create_ticket", summary="s", details="d", tickettype_id=1)
    assert (halo.connections, halo.requests) == (1, [])


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_verification_can_be_turned_off(halo):
    assert connected(halo.parameters(ssl_verify=False)).test() == {"success": True}
    with pytest.raises(ConnectionTestException, match="certificate"):
        connected(halo.parameters()).test()


def test_a_certificate_that_the_environment_names_is_accepted(halo, environment, certificate):
    environment.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    assert connected(halo.parameters()).test() == {"success": True}


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_the_two_servers_of_a_connection_are_both_verified(halo):
    with HostileServer(TICKETS) as plain:
        for parameters in (
            {**halo.parameters(), "authorization_server": f"{plain.url}/auth"},
            {**halo.parameters(), "resource_server": f"{plain.url}/api"},
        ):
            with pytest.raises(ConnectionTestException, match="certificate"):
                connected(parameters).test()
    assert halo.requests == []


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("of_the_token", [True, False], ids=["the token's", "the API's"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_credential_follows_a_redirect_to_another_port_or_host(status, of_the_token, host):
    with HostileServer(TICKETS) as other:
        away = says(http(b"", status, Location=f"http://{host}:{other.port}/api/Tickets"))
        with HostileServer(TICKETS if of_the_token else away, away if of_the_token else GIVES_A_TOKEN) as halo:
            with pytest.raises(ConnectionTestException, match="redirect") as refused:
                connected(halo.parameters()).test()
    assert other.connections == 0 and other.requests == []
    assert f"{host}:{other.port}" in refused.value.data
    sent = b"".join(halo.requests)
    assert sent.count(SECRET) == 1 and (TOKEN.encode() in sent) is not of_the_token


@pytest.mark.parametrize("name", ["create_ticket", "add_comment", "search_tickets"])
def test_no_step_follows_a_redirect(name):
    given = {
        "create_ticket": {"summary": "s", "details": "d", "tickettype_id": 1},
        "add_comment": {"ticket_id": 7, "comment": "c"},
        "search_tickets": {"summary_contains": "s"},
    }
    with HostileServer(TICKETS) as other:
        with HostileServer(says(http(b"", "307 Temporary", Location=f"{other.url}/api/Tickets"))) as halo:
            with pytest.raises(HaloITSMError, match="redirect"):
                run_action(connected(halo.parameters()), name, **given[name])
    assert other.connections == 0
    assert len([request for request in halo.requests if b"/auth/token" not in request]) == 1
