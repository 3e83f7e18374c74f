"""What Halo, an administrator or an attacker may send: any JSON value, and JSON that is nearly right."""

from hypothesis import strategies as st

# JSON texts may hold half a surrogate pair ("\ud800"), numbers may become infinite (1e999), and Python reads NaN.
TEXTS = st.text(st.characters(exclude_categories=()), max_size=30)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats() | st.integers(-2, 40)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS


def _larger(children):
    return st.lists(children, max_size=4) | st.dictionaries(TEXTS, children, max_size=4)


ANY_JSON = st.recursive(SCALARS, _larger, max_leaves=12)

# An id as Halo writes it, and as it does not.
IDS = (
    st.integers(-2, 60)
    | st.integers(1, 60).map(float)
    | st.integers(1, 60).map(str)
    | st.sampled_from(["18.0", " 7 ", "1e3", "٤", "²", "9" * 30, "9" * 5000, 2**63 - 1, 2**63, 1e308, 18.5])
)
DATES = st.sampled_from(
    [
        "2024-08-12T15:54:54.2199844Z",
        "2024-08-12T15:54:54",
        "0001-01-01T00:00:00",
        "1899-12-30T00:00:00Z",
        "1900-01-01",
        "2024-08-12 15:54",
        "2024-02-30T00:00:00Z",
        "2024-08-12T15:54:54.219984+14:00",
        "9999-12-31T23:59:59.9999999-23:59",
        "1901-01-01T00:00:00+23:59",
        "2024-W33-1T15:54:54Z",
        "20240812T155454.123456Z",
        "٢٠٢٤-08-12T15:54:54.2199844Z",
    ]
) | st.datetimes().map(lambda moment: moment.isoformat() + "Z")
MARKUP = st.lists(
    st.sampled_from(
        [
            "<p>",
            "</p>",
            "<br>",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "<![if !x]>",
            "<![",
            "<!",
            "<?",
            "&#0;",
            "&#x110000;",
            "&lt",
            "<",
        ]
    )
    | TEXTS,
    max_size=6,
).map("".join)

_FIELDS = {
    **dict.fromkeys(
        (
            "id tickettype_id status_id priority_id categoryid_1 category_id agent_id team_id client_id site_id user_id"
            " parent_id sla_id"
        ).split(),
        IDS | ANY_JSON,
    ),
    **dict.fromkeys(
        (
            "summary details status_name priority_name category_1 agent_name team team_name client_name site_name"
            " user_name"
        ).split(),
        TEXTS | ANY_JSON,
    ),
    **dict.fromkeys(
        "dateoccurred datecreated last_update lastupdate flastupdate lastactiondate dateclosed".split(),
        DATES | ANY_JSON,
    ),
    "details_html": MARKUP | SCALARS,
    "hasbeenclosed": ANY_JSON,
    "priority": st.fixed_dictionaries({}, optional={"id": IDS, "name": ANY_JSON}) | ANY_JSON,
    "customfields": st.lists(
        st.fixed_dictionaries({}, optional={"id": IDS, "name": TEXTS, "value": ANY_JSON, "display": ANY_JSON})
        | ANY_JSON,
        max_size=3,
    )
    | ANY_JSON,
}
TICKETS = st.fixed_dictionaries({}, optional=_FIELDS) | st.dictionaries(TEXTS, ANY_JSON, max_size=4)
