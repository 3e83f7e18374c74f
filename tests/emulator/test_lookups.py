"""The lists."""

import pytest


@pytest.mark.parametrize("path", ["Status", "Priority", "Team", "Agent", "TicketType", "Category", "Outcome"])
def test_bare_arrays(api, path):
    rows = api.get("/" + path).json()
    assert isinstance(rows, list) and rows and all(None not in row.values() for row in rows)


@pytest.mark.parametrize("path, key", [("Client", "clients"), ("Site", "sites"), ("Users", "users")])
def test_envelopes(api, path, key):
    body = api.get("/" + path).json()
    assert body["record_count"] == len(body[key]) > 1


def test_exactly_one_status_is_closed(halo, api):
    every = {row["id"]: row["name"] for row in api.get("/Status").json()}
    open_ones = {row["id"] for row in api.get("/Status", excludeclosed="true").json()}
    assert {every[number] for number in set(every) - open_ones} == {"Closed"}
    halo.lists.closed_statuses.add(8)
    assert 8 not in {row["id"] for row in api.get("/Status", excludeclosed="true").json()}


def test_priorities_repeat_per_sla(api):
    rows = api.get("/Priority").json()
    assert [row["priorityid"] for row in rows] == [1, 2, 3, 4] * 2 and len({row["id"] for row in rows}) == 8
    assert len(api.get("/Priority", slaid=2).json()) == 4


def test_agents(api):
    assert api.get("/Agent/1").json()["name"] == "Unassigned"
    assert api.get("/Agent/me").json()["name"] == "InsightConnect API"
    assert api.get("/Agent/99").status_code == 404


def test_categories_say_where_they_belong(api):
    rows = {row["value"]: row for row in api.get("/Category").json()}
    assert rows["Security>Malware"]["category_name"] == "Malware" and rows["Security>Malware"]["type_id"] == 1
    assert {row["type_id"] for row in rows.values()} == {1, 2}


def test_users_are_searched_and_carry_float_ids(api):
    found = api.get("/Users", search="ALICE.brandt@").json()["users"]
    assert [user["id"] for user in found] == [52] and type(found[0]["site_id"]) is float


def test_places_and_users_are_narrowed_and_paged(api):
    assert [row["id"] for row in api.get("/Site", client_id=12).json()["sites"]] == [18, 19]
    assert [row["id"] for row in api.get("/Users", site_id=19).json()["users"]] == [53]
    page = api.get("/Users", pageinate="true", page_size=3, page_no=2).json()
    assert (page["record_count"], page["page_size"], [row["id"] for row in page["users"]]) == (4, 3, [54])


def test_a_ticket_type_tells_its_fields_where_it_is_asked_for_details(halo, api):
    halo.mandatory_fields[21] = {"CFRiskScore", "category_1"}
    assert "fields" not in api.get("/TicketType/21").json()
    rows = {row["fieldinfo"]["name"]: row for row in api.get("/TicketType/21", includedetails="true").json()["fields"]}
    assert {name for name, row in rows.items() if row["fieldinfo"]["mandatory"]} == {"CFRiskScore", "category_1"}
    assert (rows["CFRiskScore"]["technew"], rows["CFAffectedAssets"]["technew"]) == (2, 1)
    assert rows["category_1"]["fieldinfo"] == {
        "name": "category_1",
        "label": "Category",
        "custom": 0,
        "mandatory": True,
    }
