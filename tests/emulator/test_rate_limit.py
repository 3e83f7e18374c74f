"""So many requests in five minutes by Halo's clock, and no more."""

import pytest

from halo_emulator import Fault


@pytest.fixture
def limited(halo, api):
    """Three requests are left: the token was the first of four."""
    halo.requests_per_five_minutes = 4
    return api


def statuses(api, requests):
    return [api.get("/Tickets/2101").status_code for _ in range(requests)]


def test_tokens_and_everything_else_count(halo, limited):
    assert statuses(limited, 2) == [200, 200]
    assert limited.get("/Nothing").status_code == 404
    assert statuses(limited, 2) == [429, 429] and limited.token().status_code == 429
    assert halo.refused_by_rate_limit == 3
    assert [request.status for request in halo.requests] == [200, 200, 200, 404, 429, 429, 429]


def test_it_is_told_in_halos_words(halo, limited):
    statuses(limited, 3)
    answer = limited.get("/Tickets")
    assert answer.json() == "Rate Limit Reached - 4 Requests per rolling 5 minute window"
    assert answer.headers["Retry-After"] == "300"
    halo.tells_retry_after = False
    assert "Retry-After" not in limited.get("/Tickets").headers


def test_the_window_rolls_by_halos_clock(halo, limited):
    statuses(limited, 1)
    halo.clock_offset += 100
    assert statuses(limited, 3) == [200, 200, 429]
    assert limited.get("/Tickets").headers["Retry-After"] == "200"
    halo.clock_offset += 200
    # The token and the first request are out of the window, and refused ones never were in it.
    assert statuses(limited, 3) == [200, 200, 429]
    assert limited.get("/Tickets").headers["Retry-After"] == "100"
    halo.clock_offset += 300
    assert statuses(limited, 5) == [200, 200, 200, 200, 429]


def test_the_next_one_passes_after_the_time_told(halo, limited):
    statuses(limited, 1)
    halo.clock_offset += 30
    statuses(limited, 2)
    wait = int(limited.get("/Tickets").headers["Retry-After"])
    halo.clock_offset += wait - 2
    assert statuses(limited, 1) == [429]
    halo.clock_offset += 2
    assert statuses(limited, 1) == [200]


def test_a_lower_limit_holds_at_once_and_tells_when_there_is_room(halo, limited):
    for _ in range(3):
        statuses(limited, 1)
        halo.clock_offset += 10
    halo.requests_per_five_minutes = 2
    # 30 seconds after the first, 20 after the second: the third must leave the window.
    assert limited.get("/Tickets").headers["Retry-After"] == "280"
    halo.requests_per_five_minutes = 0
    assert limited.get("/Tickets").headers["Retry-After"] == "300"


def test_what_a_clock_put_back_makes_future_does_not_count(halo, limited):
    halo.clock_offset += 3600
    assert statuses(limited, 5) == [200] * 4 + [429]
    halo.clock_offset -= 7200
    assert statuses(limited, 5) == [200] * 4 + [429]


def test_a_fault_waits_for_a_request_that_passes(halo, limited):
    statuses(limited, 3)
    halo.inject(Fault("status", status=503))
    assert statuses(limited, 1) == [429]
    halo.clock_offset += 300
    assert statuses(limited, 2) == [503, 200]


def test_requests_know_when_they_arrived(halo, api):
    halo.forget_requests()
    statuses(api, 1)
    halo.clock_offset += 1000
    statuses(api, 1)
    first, second = halo.requests
    assert 1000 <= second.at - first.at < 1010
