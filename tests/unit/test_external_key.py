"""Guards the field of a key: which one, how it is written, read and asked for; and equal keys and references."""

import unicodedata

import pytest

from komand_haloitsm.util.halo.tickets.external_key import THIRD_PARTY_ID, KeyField
from komand_haloitsm.util.halo.tickets.references import line_of, same_key, searchable

CUSTOM = KeyField("CFKey")
NOWHERE = KeyField("")


@pytest.mark.parametrize(
    "text, name, custom",
    [
        (None, THIRD_PARTY_ID, False),
        ("", THIRD_PARTY_ID, False),
        ("  ", THIRD_PARTY_ID, False),
        (" third_party_id_string ", THIRD_PARTY_ID, False),
        ("none", "", False),
        (" None ", "", False),
        (" CFKey ", "CFKey", True),
    ],
)
def test_a_person_names_the_field(text, name, custom):
    field = KeyField.named(text)
    assert (field.name, field.is_custom) == (name, custom)


OTHER = {"name": "CFOther", "value": 1}
WRITTEN = {
    "the usual field": (KeyField(), {}, {THIRD_PARTY_ID: "k"}),
    "over another key": (KeyField(), {THIRD_PARTY_ID: "old"}, {THIRD_PARTY_ID: "k"}),
    "a custom field": (CUSTOM, {}, {"customfields": [{"name": "CFKey", "value": "k"}]}),
    "beside other custom fields": (
        CUSTOM,
        {"customfields": [OTHER, {"name": "CFKey", "value": "old"}]},
        {"customfields": [OTHER, {"name": "CFKey", "value": "k"}]},
    ),
    "no custom fields": (CUSTOM, {"customfields": None}, {"customfields": [{"name": "CFKey", "value": "k"}]}),
    "nowhere": (NOWHERE, {"customfields": [OTHER]}, {"customfields": [OTHER]}),
}


@pytest.mark.parametrize("field, body, written", WRITTEN.values(), ids=WRITTEN)
def test_a_key_is_written_beside_what_there_is(field, body, written):
    before = repr(body)
    assert field.written({**body, "summary": "s"}, "k") == {**written, "summary": "s"} and repr(body) == before


HELD = {
    "the usual field": (KeyField(), {THIRD_PARTY_ID: "k"}, "k"),
    "an empty one": (KeyField(), {THIRD_PARTY_ID: ""}, ""),
    "not shown": (KeyField(), {}, None),
    "null": (KeyField(), {THIRD_PARTY_ID: None}, None),
    "a number": (KeyField(), {THIRD_PARTY_ID: 7}, None),
    "a custom field": (CUSTOM, {"customfields": [OTHER, {"name": "CFKey", "value": "k"}]}, "k"),
    "a custom number": (CUSTOM, {"customfields": [{"name": "CFKey", "value": 7}]}, "7"),
    "an empty custom field": (CUSTOM, {"customfields": [{"name": "CFKey", "value": ""}]}, ""),
    "a custom null": (CUSTOM, {"customfields": [{"name": "CFKey", "value": None}]}, ""),
    "a custom field among nonsense": (CUSTOM, {"customfields": ["CFKey", None, {}]}, ""),
    "no custom field shown": (CUSTOM, {}, None),
    "custom fields that are no list": (CUSTOM, {"customfields": "CFKey"}, None),
    "a key of another field": (CUSTOM, {THIRD_PARTY_ID: "k", "customfields": []}, ""),
    "nowhere": (NOWHERE, {THIRD_PARTY_ID: "k"}, None),
}


@pytest.mark.parametrize("field, ticket, key", HELD.values(), ids=HELD)
def test_a_ticket_shows_its_key_or_that_it_has_none_or_nothing(field, ticket, key):
    assert field.of(ticket) == key


def test_the_list_is_asked_for_a_key_exactly_or_in_custom_fields_by_its_text():
    assert KeyField().query("k") == {THIRD_PARTY_ID: "k"} and CUSTOM.query("k") == {"search": "k"}


EQUAL = {
    "itself": ("INV-1", "INV-1", True),
    "white space": (" INV  1\n", "INV 1", True),
    "escaped": ("a & <b>", "a &amp; &lt;b&gt;", True),
    "composed": ("\u00dc", unicodedata.normalize("NFD", "\u00dc"), True),
    "another case": ("INV-1", "inv-1", False),
    "a beginning": ("INV-1", "INV-10", False),
    "an address": ("?a=1&copy=2", "?a=1\u00a9=2", False),
    "a sign": ("a+b", "a b", False),
}


@pytest.mark.parametrize("one, other, equal", EQUAL.values(), ids=EQUAL)
def test_keys_are_equal_whatever_halo_does_to_their_signs(one, other, equal):
    assert same_key(one, other) is equal and same_key(other, one) is equal


LINES = {
    "the last line": ("Text.\n\nReference: INV-1", "INV-1"),
    "above a signature": ("Text.\n\nReference: INV-1\n-- \nThe desk", "INV-1"),
    "the last of two": ("Reference: INV-1\nSee there.\n\nReference: INV-2", "INV-2"),
    "joined lines": ("Text.  Reference: INV-1", "INV-1"),
    "amid a line": ("See Reference: INV-1", ""),
    "none": ("Text.", ""),
}


@pytest.mark.parametrize("details, reference", LINES.values(), ids=LINES)
def test_the_last_line_for_it_tells_the_reference(details, reference):
    assert line_of({"details": details}) == reference


@pytest.mark.parametrize(
    "reference, piece",
    [
        ("INV-1", "INV-1"),
        ("\u00dcberpr\u00fcfung-17", "fung-17"),
        ("a & longer <b>", "longer"),
        ("\u65e5\u672c", "\u65e5\u672c"),
    ],
)
def test_a_reference_is_searched_for_by_what_is_stored_as_it_is(reference, piece):
    assert searchable(reference) == piece
