"""The connection test: success says so, and each way to fail has a cause and an assistance of its own."""

import shutil
import socket
import ssl
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from insightconnect_plugin_runtime.exceptions import ConnectionTestException
from steps import connected, connection_to, impatient, new_halo

from halo_emulator import Fault


@contextmanager
def tls_server(folder):
    """A server on loopback whose certificate nobody trusts."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            shutil.which("openssl"),
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ]
        + ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=shake_hands, args=(listener, context), daemon=True)
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}"
        # A thread that waits in accept() is not woken by close().
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def shake_hands(listener, context):
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        try:
            context.wrap_socket(client, server_side=True).close()
        except OSError:
            client.close()


@contextmanager
def full_server():
    """A server on loopback whose queue is full: connecting takes for ever."""
    with ExitStack() as held:
        listener = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            client = held.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def api_fault(**fault):
    def prepare(halo, folder, held):
        halo.inject(Fault(times=None, path="tickets", **fault))
        return {}

    return prepare


def token_fault(**fault):
    def prepare(halo, folder, held):
        halo.inject(Fault(times=None, path="auth/token", **fault))
        return {}

    return prepare


def change(**changes):
    return lambda halo, folder, held: changes


def tls(halo, folder, held):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command to make a certificate with")
    return {"resource_server": held.enter_context(tls_server(folder))}


def wrong_tenant(halo, folder, held):
    halo.tenant = "northwind"
    return {"tenant": "harbour"}


def narrow_scope(halo, folder, held):
    halo.granted_scopes = {"read:customers"}
    return {"scope": "read:customers"}


# Way to fail: what prepares it, and words that its cause or assistance must have.
WAYS = {
    "authorization server not resolved": (
        change(authorization_server="https://halo.invalid/auth"),
        ["authorization", "DNS"],
    ),
    "resource server not resolved": (change(resource_server="https://halo.invalid/api"), ["resource server", "DNS"]),
    "tls": (tls, ["certificate", "SSL Verify"]),
    "authorization server refused": (lambda *_: {"authorization_server": nobody_there()}, ["authorization", "refused"]),
    "resource server refused": (lambda *_: {"resource_server": nobody_there()}, ["resource server", "refused"]),
    "invalid client": (change(client_secret={"secretKey": "not-the-one"}), ["client ID", "client secret"]),
    "invalid scope": (change(scope="read:agents"), ["scope"]),
    "wrong tenant": (wrong_tenant, ["tenant", "Tenant"]),
    "html instead of a token": (token_fault(kind="html"), ["page", "Authorization Server", "/auth"]),
    "no token address": (token_fault(kind="status", status=404, body={"message": "no"}), ["Authorization Server"]),
    "401": (api_fault(kind="status", status=401), ["access token", "role"]),
    "403": (narrow_scope, ["read:tickets"]),
    "404": (api_fault(kind="status", status=404, body={"message": "no"}), ["Resource Server", "/api"]),
    "html instead of the api": (api_fault(kind="html"), ["JSON", "Resource Server"]),
}
# The plugin's own patience is not for a test: these run in this process only, with a client that gives up soon.
SLOW_WAYS = {
    "no connection in time": ["network", "firewall"],
    "no answer in time": ["did not answer in time"],
}


def prepared(way, folder, held):
    halo = new_halo()
    held.callback(halo.stop)
    return connection_to(halo, **WAYS[way][0](halo, folder, held))


def reason(exception):
    return exception["cause"], exception["assistance"]


@pytest.fixture(scope="module")
def through_the_server(plugin_server, tmp_path_factory):
    """How the plugin server's connection test ends for each way to fail; tried side by side, because some wait."""
    with ExitStack() as held, ThreadPoolExecutor(4) as pool:
        ways = [way for way in WAYS if way != "tls" or shutil.which("openssl")]
        params = {way: prepared(way, tmp_path_factory.mktemp("tls"), held) for way in ways}
        yield dict(zip(ways, pool.map(plugin_server.test, params.values()), strict=True))


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_fail_tells_the_user_through_the_server(through_the_server, way):
    if way not in through_the_server:
        pytest.skip("no openssl command to make a certificate with")
    failed = through_the_server[way]
    assert failed.code == 400 and not failed.succeeded
    told = " ".join(reason(failed.exception))
    assert failed.exception["cause"] and failed.exception["assistance"] and "Traceback" not in failed.body["error"]
    for word in WAYS[way][1]:
        assert word in told, told


def fails(connection):
    with pytest.raises(ConnectionTestException) as failed:
        connection.test()
    return failed.value.cause, failed.value.assistance


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"tls"}))
def test_each_way_to_fail_tells_the_user_in_process(through_the_server, tmp_path, way):
    with ExitStack() as held:
        params = prepared(way, tmp_path, held)
        halo = new_halo()
        held.callback(halo.stop)
        settings = {
            "client_id": params["client_id"],
            "client_secret": params["client_secret"],
            "auth_server": params["authorization_server"],
            "resource_server": params["resource_server"],
            "tenant": params.get("tenant"),
            "scope": params.get("scope"),
        }
        assert fails(impatient(halo, **settings)) == reason(through_the_server[way].exception)


def slow(way, halo, held):
    if way == "no connection in time":
        return impatient(halo, resource_server=held.enter_context(full_server()))
    halo.inject(Fault("hang", path="tickets", times=None))
    return impatient(halo)


@pytest.mark.parametrize("way", SLOW_WAYS)
def test_timeouts_tell_the_user_which_kind(halo, way):
    with ExitStack() as held:
        told = fails(slow(way, halo, held))
    for word in SLOW_WAYS[way]:
        assert word in " ".join(told)


def test_all_reasons_are_different(halo, through_the_server):
    told = {way: reason(failed.exception) for way, failed in through_the_server.items()}
    with ExitStack() as held:
        told |= {way: fails(slow(way, new_and_held(held), held)) for way in SLOW_WAYS}
    assert len(set(told.values())) == len(told), told


def new_and_held(held):
    halo = new_halo()
    held.callback(halo.stop)
    return halo


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_an_untrusted_certificate_is_accepted_where_verification_is_off(halo, tmp_path):
    """The handshake succeeds, and what is wrong then is that the server says nothing."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command to make a certificate with")
    with tls_server(tmp_path) as address:
        verified = fails(impatient(halo, resource_server=address))
        unverified = fails(impatient(halo, resource_server=address, ssl_verify=False))
    assert "certificate" in verified[0] and "certificate" not in unverified[0]


def test_success_returns_success(halo, plugin_server, connection, connection_params):
    assert connection.test() == {"success": True}
    passed = plugin_server.test(connection_params)
    assert (passed.code, passed.output) == (200, {"success": True})


def test_success_takes_a_token_and_two_cheap_reads(halo, connection):
    connection.test()
    assert [request.path for request in halo.requests] == ["/auth/token", "/api/Tickets", "/api/Outcome"]
    assert halo.requests[1].query["page_size"] == "1"


def test_an_outcome_that_does_not_exist_fails_with_those_that_do(halo, plugin_server):
    halo.outcomes = {"Public Note", "Closure Note"}
    failed = plugin_server.test(connection_to(halo))
    told = " ".join(reason(failed.exception))
    assert failed.code == 400 and '"Private Note", which is the Private Note Outcome' in told
    assert "3 Public Note, 12 Closure Note" in told and 'no outcome "Public' not in told
    params = connection_to(halo, public_note_outcome="closure note", private_note_outcome="None such")
    assert (
        '"None such"' in (told := " ".join(reason(plugin_server.test(params).exception))) and "closure note" not in told
    )
    assert plugin_server.test({**params, "private_note_outcome": " public note "}).succeeded


def test_what_a_success_does_not_prove_is_in_its_log(halo, plugin_server):
    passed = plugin_server.test(connection_to(halo))
    assert "The right to create, edit, assign and close tickets was not tested" in passed.body["log"]
    assert "outcomes" not in passed.body["log"]
    for prepare in (lambda: halo.outcomes.clear(), lambda: halo.denied.add(("GET", "outcome"))):
        halo.outcomes = set()
        prepare()
        passed = plugin_server.test(connection_to(halo))
        assert (
            passed.output == {"success": True} and "outcomes of the connection exist is not known" in passed.body["log"]
        )


def test_advice_on_scopes_fits_what_the_set_up_tells_to_grant(halo, plugin_server):
    granted = "read:tickets edit:tickets read:customers"
    assert granted in " ".join(reason(plugin_server.test(connection_to(halo, scope="read:agents")).exception))
    halo.granted_scopes = set(granted.split())
    assert plugin_server.test(connection_to(halo, scope=granted)).succeeded
    halo.denied = {("GET", "team")}
    given = {"summary": "S", "details": "D", "tickettype_id": 1, "team_id": 2}
    failed = plugin_server.run("create_ticket", given, connection_to(halo, scope=granted))
    told = failed.exception["assistance"]
    assert "all:standard" not in told and "read:" not in told and "permission all" in told and "Agent" in told


def test_each_test_logs_in_anew(halo, connection):
    connection.test()
    halo.granted_scopes = {"read:customers"}
    with pytest.raises(ConnectionTestException, match="scope"):
        connection.test()


def test_connecting_sends_nothing(halo, connection):
    assert connection.client is not None and halo.requests == []


def test_a_bad_address_is_told_by_the_server(halo, plugin_server):
    failed = plugin_server.test(connection_to(halo, resource_server="halo"))
    assert failed.code == 400 and "Resource Server" in failed.exception["cause"]


def test_the_server_tells_no_secret(halo, plugin_server):
    params = connection_to(halo, client_secret={"secretKey": "a-rather-peculiar-secret"})
    failed = plugin_server.test(params)
    assert not failed.succeeded and "a-rather-peculiar-secret" not in failed.stdout + plugin_server.log()


def test_a_webhook_secret_is_kept_as_text(halo):
    assert connected(connection_to(halo, webhook_secret={"secretKey": "shared"})).webhook_secret == "shared"
    assert connected(connection_to(halo)).webhook_secret == ""


@pytest.mark.parametrize("tenant", [None, "acme"])
def test_a_shared_authorization_server_has_its_tokens_at_the_root(halo, tenant):
    halo.auth_at_root, halo.tenant = True, tenant
    more = {"tenant": tenant} if tenant else {}
    assert connected({**connection_to(halo), "authorization_server": halo.url, **more}).test() == {"success": True}
    paths = [request.path for request in halo.requests if request.path.endswith("token")]
    assert paths == ["/auth/token", "/token"]


def test_the_address_that_had_a_token_is_asked_first_from_then_on(halo, connection_params):
    halo.auth_at_root = True
    connection = connected({**connection_params, "authorization_server": halo.url})
    for _ in range(3):
        connection.test()
    paths = [request.path for request in halo.requests if request.path.endswith("token")]
    assert paths == ["/auth/token", "/token", "/token", "/token"]


def test_a_403_for_a_token_speaks_of_an_allow_list(halo, connection):
    halo.token_status = 403
    with pytest.raises(ConnectionTestException) as refused:
        connection.test()
    assert "allow-list" in refused.value.assistance and "orchestrator" in refused.value.assistance
