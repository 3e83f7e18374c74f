"""third_party_id_string: another system's own reference to a ticket."""

import pytest

REFERENCE = "IVM-4471/b"
FIELD = "third_party_id_string"


@pytest.fixture
def number(api):
    return api.post("/Tickets", [{"summary": "S", FIELD: REFERENCE}]).json()["id"]


def row(api, number):
    return api.get("/Tickets", ticketids=str(number)).json()["tickets"][0]


def test_it_is_kept_and_shown_everywhere(api, number):
    assert api.get(f"/Tickets/{number}").json()[FIELD] == row(api, number)[FIELD] == REFERENCE
    assert api.post("/Tickets", [{"id": number, FIELD: "other"}]).json()[FIELD] == "other"
    assert row(api, number)[FIELD] == "other"


def test_the_list_filter_is_exact(api, number):
    longer = api.post("/Tickets", [{"summary": "S", FIELD: REFERENCE + "2"}]).json()["id"]
    assert api.ids(third_party_id_string=REFERENCE) == [number]
    assert api.ids(third_party_id_string=REFERENCE + "2") == [longer]
    assert api.ids(third_party_id_string="IVM") == api.ids(third_party_id_string=REFERENCE.lower()) == []


def test_an_instance_that_does_not_keep_it(halo, api, number):
    halo.keeps_external_id = False
    answer = api.post("/Tickets", [{"summary": "S", FIELD: REFERENCE}]).json()
    for held in (answer["id"], number):
        assert FIELD not in api.get(f"/Tickets/{held}").json() and FIELD not in row(api, held)
    assert FIELD not in answer and len(api.ids(third_party_id_string="nobody's")) == 8
    halo.keeps_external_id = True
    assert api.ids(third_party_id_string=REFERENCE) == [number]


def test_a_custom_field_is_kept_all_the_same(halo, api):
    halo.keeps_external_id = False
    given = {"summary": "S", "customfields": [{"name": "CFInsightReference", "value": REFERENCE}]}
    assert api.post("/Tickets", [given]).json()["customfields"][0]["value"] == REFERENCE


def test_lists_without_it_still_filter_by_it(halo, api, number):
    halo.shows_external_id_in_lists = False
    assert FIELD not in row(api, number) and api.get(f"/Tickets/{number}").json()[FIELD] == REFERENCE
    assert api.ids(third_party_id_string=REFERENCE) == [number]
