"""Guards the addresses: common mistakes are corrected, other input is refused, nothing is sent unencrypted."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from requests import Request

from komand_haloitsm.util.halo.errors import HaloError
from komand_haloitsm.util.halo.http.addresses import api_address, is_loopback, ticket_address, token_addresses

HOST = "https://desk.example.com"

# both fields: what is typed, with {} for the last part, and the address without it
_SLIPS = {
    "as Halo shows it": (HOST + "/{}", HOST),
    "a slash at the end": (HOST + "/{}/", HOST),
    "many slashes at the end": (HOST + "/{}////", HOST),
    "spaces around": ("  " + HOST + "/{}  ", HOST),
    "a line end after it": (HOST + "/{}\r\n", HOST),
    "a tab before it": ("\t" + HOST + "/{}", HOST),
    "a hard space after it": (HOST + "/{}\u00a0", HOST),
    "only the host": (HOST, HOST),
    "only the host, with a slash": (HOST + "/", HOST),
    "the last part twice": (HOST + "/{0}/{0}", HOST),
    "the last part three times, with slashes": (HOST + "//{0}//{0}//{0}//", HOST),
    "the last part in capitals": (HOST + "/{}".upper(), HOST),
    "scheme and host in capitals": ("HTTPS://DESK.Example.COM/{}", HOST),
    "a port": (HOST + ":8443/{}", HOST + ":8443"),
    "the usual port": (HOST + ":443/{}", HOST + ":443"),
    "a path before the last part": (HOST + "/halo/{}", HOST + "/halo"),
    "a path, without the last part": (HOST + "/halo/", HOST + "/halo"),
    "doubled slashes in a path": (HOST + "//halo//{}", HOST + "/halo"),
    "a path in its own case": (HOST + "/Halo/ITSM/{}", HOST + "/Halo/ITSM"),
    "an empty query": (HOST + "/{}?", HOST),
    "an IPv4 address": ("https://192.0.2.7/{}", "https://192.0.2.7"),
    "an IPv6 address": ("https://[2001:db8::7]/{}", "https://[2001:db8::7]"),
    "an IPv6 address with a port": ("https://[2001:db8::7]:8443/{}", "https://[2001:db8::7]:8443"),
    "a name without a domain": ("https://halo/{}", "https://halo"),
    "an international name": ("https://störung.example/{}", "https://störung.example"),
    "plain http to localhost": ("http://localhost:5000/{}", "http://localhost:5000"),
    "plain http to Localhost": ("http://LocalHost/{}", "http://localhost"),
    "plain http to 127.0.0.1": ("http://127.0.0.1:5000/{}", "http://127.0.0.1:5000"),
    "plain http to another loopback address": ("http://127.8.9.1/{}", "http://127.8.9.1"),
    "plain http to ::1": ("http://[::1]:5000/{}", "http://[::1]:5000"),
    "a host whose name begins with the last part": ("https://{0}.{0}-host.example/{0}", "https://{0}.{0}-host.example"),
    "a path that begins with the last part": (HOST + "/{0}-v2/{0}", HOST + "/{0}-v2"),
    "the last part in the middle of the path": (HOST + "/{0}/v2/{0}", HOST + "/{0}/v2"),
}


@pytest.mark.parametrize("typed, base", list(_SLIPS.values()), ids=list(_SLIPS))
def test_a_resource_server_is_put_right(typed, base):
    assert api_address(typed.format("api")) == base.format("api") + "/api"


@pytest.mark.parametrize("typed, base", list(_SLIPS.values()), ids=list(_SLIPS))
def test_an_authorization_server_is_put_right(typed, base):
    assert base.format("auth") + "/auth/token" in token_addresses(typed.format("auth"))


@pytest.mark.parametrize(
    "typed",
    [
        "/auth/token",
        "/auth/token/",
        "/auth/auth",
        "/auth/auth/token",
        "/auth/token/token",
        "/auth/token/auth/token",
        "/AUTH/Token",
        "//auth//token//",
        "",
    ],
)
def test_too_much_or_too_little_of_the_token_address_is_put_right(typed):
    assert token_addresses(HOST + typed)[0] == HOST + "/auth/token"


_TOKEN_ADDRESSES = {
    "as an instance shows it": (HOST + "/auth", (HOST + "/auth/token",)),
    "a shared authorization server, without a path": (HOST, (HOST + "/auth/token", HOST + "/token")),
    "an explicit token at the end": (HOST + "/token", (HOST + "/token", HOST + "/auth/token")),
    "an explicit token below auth": (HOST + "/auth/token", (HOST + "/auth/token",)),
    "a path of its own": (HOST + "/identity", (HOST + "/identity/token", HOST + "/identity/auth/token")),
    "a path of its own, with the token": (HOST + "/id/token", (HOST + "/id/token", HOST + "/id/auth/token")),
    "a path before auth": (HOST + "/halo/auth", (HOST + "/halo/auth/token",)),
}


@pytest.mark.parametrize("typed, addresses", list(_TOKEN_ADDRESSES.values()), ids=list(_TOKEN_ADDRESSES))
def test_where_a_token_is_asked_for_and_in_which_order(typed, addresses):
    assert token_addresses(typed) == addresses
    assert token_addresses(typed, "acme") == tuple(f"{address}?tenant=acme" for address in addresses)


@pytest.mark.parametrize("typed, base", list(_SLIPS.values()), ids=list(_SLIPS))
def test_an_address_that_was_put_right_stays_as_it_is(typed, base):
    right = api_address(typed.format("api"))
    assert api_address(right) == right
    right = token_addresses(typed.format("auth"))[0]
    assert token_addresses(right)[0] == right


_REFUSED = {
    "nothing": "",
    "spaces": "   ",
    "null": None,
    "a number": 5,
    "true": True,
    "a list": ["https://desk.example.com"],
    "bytes": b"https://desk.example.com",
    "an object": {"secretKey": "https://desk.example.com"},
    "a host without a scheme": "desk.example.com",
    "a host and a path without a scheme": "desk.example.com/api",
    "two slashes and a host": "//desk.example.com/api",
    "a word": "halo",
    "a scheme alone": "https://",
    "a scheme and slashes": "https:///api",
    "one slash after the scheme": "https:/desk.example.com/api",
    "ftp": "ftp://desk.example.com/api",
    "file": "file:///etc/hosts",
    "javascript": "javascript:alert(1)",
    "ws": "wss://desk.example.com/api",
    "backslashes": "https:\\\\desk.example.com\\api",
    "a backslash in the host": "https://desk.example.com\\api",
    "plain http": "http://desk.example.com/api",
    "plain http in capitals": "HTTP://desk.example.com/api",
    "plain http to a private address": "http://192.168.1.5/api",
    "plain http to a private IPv6 address": "http://[fd00::5]/api",
    "plain http to the address of all interfaces": "http://0.0.0.0/api",
    "plain http to a name that begins like loopback": "http://localhost.example.com/api",
    "plain http to a name that begins like a loopback address": "http://127.0.0.1.example.com/api",
    "plain http to loopback as the user of another host": "http://localhost@desk.example.com/api",
    "a user and a password": "https://jo:pass-word@desk.example.com/api",
    "a user": "https://jo@desk.example.com/api",
    "an empty user": "https://@desk.example.com/api",
    "a query": "https://desk.example.com/api?tenant=one",
    "a fragment": "https://desk.example.com/#/api",
    "a port that is a word": "https://desk.example.com:port/api",
    "a port beyond the last": "https://desk.example.com:65536/api",
    "a negative port": "https://desk.example.com:-1/api",
    "a space in the host": "https://desk example.com/api",
    "a space in the path": "https://desk.example.com/my halo/api",
    "a percent in the host": "https://desk%2eexample.com/api",
    "a quote in the host": "https://'desk.example.com'/api",
    "angle brackets": "<https://desk.example.com/api>",
    "an underscore alone": "https://-/api",
    "two dots in the host": "https://desk..example.com/api",
    "a dot before the host": "https://.example.com/api",
    "a hyphen after the host": "https://desk-/api",
    "a comma and another host": "https://desk.example.com,https://desk2.example.com",
    "an open bracket": "https://[::1/api",
    "a bracketed word": "https://[halo]/api",
    "a null character": "https://desk.example.com\x00/api",
    "a snowman": "https://\u2603.example/api",
    "a direction mark before it": "\u202ahttps://desk.example.com/api",
    "a placeholder": "https://{tenant}.haloitsm.com/api",
}


@pytest.mark.parametrize("typed", list(_REFUSED.values()), ids=list(_REFUSED))
@pytest.mark.parametrize(
    "read, field, example",
    [
        (api_address, "Resource Server", "https://example.haloitsm.com/api"),
        (token_addresses, "Authorization Server", "https://example.haloitsm.com/auth"),
    ],
    ids=["resource server", "authorization server"],
)
def test_what_cannot_be_an_address_is_refused_clearly(read, field, example, typed):
    with pytest.raises(HaloError) as caught:
        read(typed)
    error = caught.value
    assert error.kind == "address" and field in error.cause and example in error.assistance
    assert "pass-word" not in f"{error.cause}{error.assistance}{error.data}"


@pytest.mark.parametrize(
    "typed, word",
    [
        ("http://desk.example.com/api", "unencrypted"),
        ("https://jo:pw@desk.example.com/api", "password"),
        ("https://desk.example.com/api?tenant=one", "tenant"),
        ("desk.example.com", "not a URL"),
    ],
    ids=["plain http", "a password", "a query", "no URL"],
)
def test_a_refusal_says_what_is_wrong(typed, word):
    with pytest.raises(HaloError) as caught:
        api_address(typed)
    assert word in caught.value.cause


@pytest.mark.parametrize(
    "host",
    ["a" * 64 + ".example", "ä" * 70 + ".example", "a." * 140 + "example"],
    ids=["a label of 64 letters", "an international label that is too long", "a name of more than 253 letters"],
)
def test_a_host_that_no_name_server_can_know_is_refused(host):
    with pytest.raises(HaloError):
        api_address(f"https://{host}/api")


def test_a_scheme_that_was_pasted_twice_is_refused():
    with pytest.raises(HaloError):
        api_address("https://https://desk.example.com/api")


def test_port_zero_is_refused():
    with pytest.raises(HaloError):
        api_address("https://desk.example.com:0/api")


@pytest.mark.parametrize(
    "tenant",
    ["desk", "two words", "a&b=c", "a+b", "100%", "störung", "a/b?c#d", "日本"],
)
def test_a_tenant_travels_in_the_query_as_it_is(tenant):
    parts = urlsplit(Request("POST", token_addresses(HOST + "/auth", tenant)[0]).prepare().url)
    assert parts.path == "/auth/token" and parse_qs(parts.query) == {"tenant": [tenant]} and not parts.fragment


def test_without_a_tenant_there_is_no_query():
    assert "?" not in "".join((*token_addresses(HOST), *token_addresses(HOST, "")))


_LINKS = {
    "a hosted instance": (HOST + "/api", HOST + "/ticket?id=12"),
    "a port": (HOST + ":8443/api", HOST + ":8443/ticket?id=12"),
    "a path": (HOST + "/halo/api", HOST + "/halo/ticket?id=12"),
    "/api elsewhere in the path": (HOST + "/api-gateway/api/v2/api", HOST + "/api-gateway/api/v2/ticket?id=12"),
    "a host that begins with api": ("https://api.example.com/api", "https://api.example.com/ticket?id=12"),
    "a host that is named api": ("https://api/api", "https://api/ticket?id=12"),
    "loopback": ("http://127.0.0.1:5000/api", "http://127.0.0.1:5000/ticket?id=12"),
}


@pytest.mark.parametrize("api, link", list(_LINKS.values()), ids=list(_LINKS))
def test_the_link_to_a_ticket_touches_nothing_but_the_last_part(api, link):
    assert ticket_address(api_address(api), 12) == link


@pytest.mark.parametrize(
    "host, expected",
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("128.0.0.1", False),
        ("::", False),
        ("localhost.example", False),
        ("notlocalhost", False),
        ("", False),
        ("127.0.0.1.example", False),
    ],
)
def test_loopback(host, expected):
    assert is_loopback(host) is expected
