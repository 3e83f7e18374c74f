"""What a log line shows of an exception, and what it does not."""

from __future__ import annotations

import io
import logging

from remediation.log import WithoutValues


def test_an_exception_is_told_without_its_words_and_without_a_traceback() -> None:
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(WithoutValues("%(levelname)s %(message)s"))
    log = logging.Logger("test")
    log.addHandler(handler)
    secret = "hunter2"
    try:
        raise ValueError(f"the password is {secret}")
    except ValueError:
        log.exception("It failed.", stack_info=True)
    assert said.getvalue().startswith("ERROR It failed.\nAn unexpected error: ValueError in ")
    assert secret not in said.getvalue() and "Traceback" not in said.getvalue() and "Stack" not in said.getvalue()


def test_a_worker_that_is_ended_is_told_as_well() -> None:
    assert WithoutValues().formatException((KeyboardInterrupt, KeyboardInterrupt("x"), None)) == "KeyboardInterrupt"
