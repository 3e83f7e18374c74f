"""Behaviour that differs between Halo instances, as attributes that a test may change at any time."""

from collections.abc import Callable
from typing import Any


class Settings:
    """Settings of the emulated instance. Each comment says how sure we are that real instances differ in this way."""

    def __init__(self) -> None:
        self.client_id = "5f0c2b1e-7d43-4c8a-9a36-2f6be0a4c911"
        self.client_secret = "9b1d6c52-47e8-4d0f-8a7b-1c3e5f709a24-b6e2f8d0+/="  # nosec B105: invented
        self.token_lifetime: float = 3600
        # Seen live: hosted instances that share an authorisation server need ?tenant= and answer 500 to a wrong one.
        self.tenant: str | None = None
        # Seen live: a shared authorisation server has the token address at its root, as /token, and wants the tenant as
        # ?tenant=. That it answers 404 at /auth/token is one client's.
        self.auth_at_root = False
        # Seen live for 403: an IP allow-list in front of Halo refuses token requests. The empty body is a guess.
        self.token_status: int | None = None
        # Seen live: 300 requests in a rolling five minutes, of all clients together; other limits are reported as well.
        # None: no limit. That requests for tokens count is a guess.
        self.requests_per_five_minutes: int | None = None
        # Seen live: Retry-After is not always sent. That it holds whole seconds until the next request may pass is a
        # guess.
        self.tells_retry_after = True
        # Official and seen live: a scope that was not granted to the application refuses the whole token request.
        self.granted_scopes: set[str] = {"all", "all:standard", "read:tickets", "edit:tickets", "read:customers"}
        # Seen live: 403 with an empty body where the agent's role lacks a right. Pairs like ("GET", "team").
        self.denied: set[tuple[str, str]] = set()
        # Seen live: 401 for a ticket that the agent may not see. That lists leave it out and updates do not find it
        # follows from that, but is a guess.
        self.hidden_tickets: set[int] = set()
        # Seen live with an agent of few rights; other agents succeed without.
        self.update_needs_type_and_client = False
        # Documented only: closure_note is a field of the API description. What Halo does with it is a guess.
        self.keeps_closure_note = True
        # None: stored as given, as one client suggests. A set: other names are refused.
        self.outcomes: set[str] | None = None
        # Seen live: Halo ignores query parameters it does not know. Which builds lack which ones is a test device.
        self.ignored_parameters: set[str] = set()
        # A guess: what an update may not change, as by the rights of the agent's role, is ignored without an error.
        # Names of fields, and of custom fields.
        self.ignored_in_updates: set[str] = set()
        # Whether an unknown id of a status, priority, type or agent is refused is not known. True: it is ignored.
        self.ignores_unknown_ids = False
        # Seen live: ticket types may have mandatory fields.
        self.mandatory_fields: dict[int, set[str]] = {}
        # Documented only: `third_party_id_string` is a field of tickets and an exact filter of the list. That some
        # builds drop it, or leave it out of list rows, is a guess.
        self.keeps_external_id = True
        self.shows_external_id_in_lists = True
        # Seen live: closing an unassigned ticket is refused.
        self.closing_needs_agent = True
        # Some clients handle a one-element list as the answer to a POST.
        self.answers_with_list = False
        # One client: the default list holds open and recently closed tickets. How recent is a guess.
        self.recently_closed_days: float = 30
        # Whether that also holds for a list of what changed since a moment: nobody has said.
        # False: such a list has closed tickets of any age.
        self.hides_closed_changes = False
        # One client found that Halo gives 100 rows a page at most, whatever page_size says. Other values are a test
        # device of ours.
        self.page_cap = 100
        # Seen live: the envelope of a page tells `page_size`. That some builds tell no size, or the size that was asked
        # for although rows end at the cap, is a test device of ours.
        self.tells_page_size = True
        self.tells_page_size_asked_for = False
        # With paging, `record_count` is the number of all tickets that match (seen live). True: of those on this page,
        # a test device of ours.
        self.counts_per_page = False
        # The most rows that the list of actions gives, whatever `count` says; None: as many as there are. A test device
        # of ours.
        self.actions_cap: int | None = None
        # Seen live: the list of actions takes a range of dates of one day at most instead of a ticket. That some builds
        # lack it is a test device of ours.
        self.lists_actions_by_date = True
        # Seen live: `last_update` is a little earlier than the change itself. By how many seconds, for what is logged
        # or changed from now on: a test device of ours.
        self.last_update_behind: float = 0
        # Hours by which the zone is ahead of UTC for whose local time Halo takes `lastupdatefromdate` and
        # `lastupdatetodate`, whatever zone they name. A test device of ours.
        self.reads_local_time: float = 0
        # Seconds by which the dates in tickets and actions are ahead of the Date header: a test device of ours.
        self.database_clock_offset: float = 0
        # Hours added to the dates in tickets and actions, which look like UTC all the same: a test device of ours. The
        # list's filters compare with the dates as they are written.
        self.writes_local_time: float = 0
        # Real seconds after which the two lists, of tickets and of a ticket's actions, show what is new or changed: a
        # test device of ours.
        self.list_lag: float = 0
        # Seen live: rules of the instance change a new ticket at once. Each function gets the ticket that a client has
        # just created, and returns the fields to change, by the names and in the form a client would write them.
        self.rules: list[Callable[[dict[str, Any]], dict[str, Any]]] = []
        # A guess: the same for an action that a client adds. Each function gets the action's fields, and returns those
        # to change.
        self.note_rules: list[Callable[[dict[str, Any]], dict[str, Any]]] = []
        # A test device of ours: what becomes of a summary, details or a note that somebody writes. See text_changes.py.
        # What a rule writes is stored as it is.
        self.stored_text: Callable[[str, str], str] | None = None
        # The agent that the API's client id logs in as, and the one who works in Halo's screens: our own invention.
        self.api_agent_id = 6
        self.screen_agent_id = 3
