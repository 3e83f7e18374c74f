"""What a user enters: a value that can be used, or a clear error; an address is https, or this machine."""

from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import urllib3
from hypothesis import example, given
from hypothesis import strategies as st

from komand_haloitsm.util.halo.errors import HaloError, InvalidInput
from komand_haloitsm.util.halo.http.addresses import api_address, is_loopback, token_addresses
from komand_haloitsm.util.halo.http.messages import Request
from komand_haloitsm.util.halo.http.transport import Transport
from komand_haloitsm.util.halo.values.ids import positive_id
from komand_haloitsm.util.insightconnect import inputs
from komand_haloitsm.util.insightconnect.errors import HaloITSMError

from .values import ANY_JSON, DATES, IDS, TEXTS

VALUES = IDS | DATES | ANY_JSON
READERS = {
    "id": (inputs.given_id, lambda value: value is None or 1 <= value <= inputs.LARGEST_ID),
    "required id": (inputs.required_id, lambda value: 1 <= value <= inputs.LARGEST_ID),
    "text": (inputs.given_text, lambda value: value is None or value != ""),
    "required text": (inputs.required_text, lambda value: value.strip() != ""),
    "flag": (lambda given, name: inputs.given_flag(given, name, True), lambda value: value in (True, False)),
    "number": (
        lambda given, name: inputs.given_number(given, name, default=60, lowest=5, highest=300),
        lambda value: 5 <= value <= 300,
    ),
    "objects": (inputs.given_objects, lambda value: value is None or all(isinstance(item, dict) for item in value)),
    "date": (inputs.given_date, lambda value: value is None or value.utcoffset().total_seconds() == 0),
    "positive": (lambda given, name: positive_id(given.get(name)), lambda value: 1 <= value <= inputs.LARGEST_ID),
    "secret": (lambda given, name: inputs.secret_text(given.get(name)), lambda value: value == value.strip()),
}


@pytest.mark.parametrize("kind", READERS)
@given(VALUES | st.lists(st.dictionaries(st.sampled_from(["id", "name"]), ANY_JSON), max_size=3))
def test_any_input_is_a_value_or_a_clear_error(kind, value):
    read, fits = READERS[kind]
    try:
        found = read({"field": value}, "field")
    except (HaloITSMError, InvalidInput) as error:
        assert error.kind == "input" and error.cause and error.assistance
        text = str(value)
        assert len(text) < 12 or text not in f"{error} {error.cause} {error.data}", "the error repeats the value"
        return
    assert fits(found)


NAMES = (
    "localhost LOCALHOST 127.0.0.1 127.1.2.3 [::1] [::] 0.0.0.0 127.1 0x7f.1 2130706433 localhost. "
    " localhost.evil.com 127.0.0.1.evil.com desk.example.com xn--bcher-kva.example bücher.example "
    " １２７.0.0.1 [::1%eth0] [::ffff:127.0.0.1] [v1.x] a_b.example -a.example a..b .example.com * "
    " ß.example ①.example localhost\\@evil.com 127.0.0.1#@evil.com user@desk.example.com "
    " user:pw@localhost evil.com\\@localhost 127.0.0.1%2eevil.com"
).split()
HOSTS = st.sampled_from(NAMES) | TEXTS
TYPED = st.builds(
    "{}{}{}{}{}{}".format,
    st.sampled_from(["", " ", "\t", "\n"]),
    st.sampled_from(["https://", "http://", "HTTPS://", "//", "", "ftp://", "https:/", "https:///", "javascript:"]),
    HOSTS,
    st.sampled_from(["", ":443", ":0", ":65536", ":x", ":٣", ":", ":8443"]),
    st.lists(
        st.sampled_from(["/", "api", "auth", "/token", "/..", "//", "\\", " ", "%2f", "ä", "\x7f"]) | TEXTS, max_size=4
    ).map("".join),
    st.sampled_from(["", " ", "?x=1", "#f", "?", "#"]),
)


def checked(address, ending):
    parts = urlsplit(address)
    assert parts.hostname and parts.scheme in ("https", "http")
    assert parts.scheme == "https" or is_loopback(parts.hostname)
    assert parts.username is None and parts.password is None and not parts.fragment
    assert parts.port is None or 1 <= parts.port <= 65535
    assert parts.path.endswith(ending) and not any(char.isspace() for char in address)
    if parts.hostname.isascii():
        # requests and urllib3 split the address again before it is sent. Both must see the same host.
        assert urlsplit(requests.Request("GET", address).prepare().url).hostname == parts.hostname
        assert (urllib3.util.parse_url(address).host or "").strip("[]") == parts.hostname
    return parts


@given(TYPED | ANY_JSON)
@example("http://localhost:8080/api/")
@example("https://desk.example.com")
@example("https://desk.example.com/halo/api/api/")
def test_any_resource_server_is_a_safe_address_or_a_clear_error(typed):
    try:
        address = api_address(typed)
    except HaloError as error:
        assert error.kind == "address" and error.cause and error.assistance
        return
    parts = checked(address, "/api")
    assert not parts.query and not parts.path.removesuffix("/api").endswith("/api")
    assert urlsplit(typed.strip()).hostname == parts.hostname
    assert api_address(address) == address


@pytest.mark.parametrize("host", NAMES)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("read", [api_address, lambda typed: token_addresses(typed)[0]])
def test_no_host_that_only_looks_like_this_machine_gets_plain_http(read, scheme, host):
    try:
        parts = urlsplit(read(f"{scheme}://{host}/"))
    except HaloError:
        return
    ours = host.lower() in ("localhost", "127.0.0.1", "127.1.2.3", "[::1]", "[::1%eth0]", "[::ffff:127.0.0.1]")
    assert parts.scheme == scheme and (scheme == "https" or ours)
    assert parts.hostname == host.lower().strip("[]") and parts.username is None


@given(TYPED | ANY_JSON, st.text(max_size=10))
@example("https://desk.example.com/auth/token", "a&tenant=b#c")
def test_any_authorization_server_is_a_safe_address_or_a_clear_error(typed, tenant):
    try:
        addresses = token_addresses(typed, tenant)
    except HaloError as error:
        assert error.kind == "address"
        return
    for address in addresses:
        parts = checked(address.partition("?")[0], "/token")
        assert parse_qs(urlsplit(address).query, keep_blank_values=True) == ({"tenant": [tenant]} if tenant else {})
        assert address.partition("?")[0] in token_addresses(typed.strip()) and parts.hostname


@pytest.mark.parametrize("host", ["desk𝋠.example", "①②.example", "ä_b.example"])
def test_an_international_host_is_refused_or_can_be_sent_to(host):
    try:
        address = api_address(f"https://{host}")
    except HaloError:
        return
    Transport(address, verify=True, user_agent="t", connect_timeout=0.1, read_timeout=0.1).send(
        Request("GET", "/Team"), ""
    )


def test_a_tenant_that_has_no_utf8_is_a_clear_error():
    with pytest.raises(HaloError):
        token_addresses("https://desk.example.com", "half \ud83d")
