"""Guards what counts as a stored form of a text that was sent: what Halo does to texts, and nothing beyond."""

import html
import unicodedata

import pytest

from halo_emulator import text_changes
from komand_haloitsm.util.halo.values.stored_text import may_be_stored_as

LONG = "Cafe\u0301 \U0001f525 " + "x" * 300

SAME = {
    "as it is": ("Host isolated", "Host isolated"),
    "escaped": ("a & b <c>", "a &amp; b &lt;c&gt;"),
    "escaped twice": ("a & b", "a &amp;amp; b"),
    "joined lines": ("one\ntwo\r\nthree", "one two three"),
    "joined without a space": ("one\ntwo", "onetwo"),
    "trimmed": ("  Host isolated \n", "Host isolated"),
    "wide gaps": ("Host  isolated", "Host isolated"),
    "composed": ("Cafe\u0301", "Caf\u00e9"),
    "decomposed": ("Caf\u00e9", "Cafe\u0301"),
    "an emoji as question marks": ("Fire \U0001f525", "Fire ??"),
    "an emoji lost": ("Fire \U0001f525", "Fire"),
    "an emoji kept": ("\U0001f525", "\U0001f525"),
    "HTML": ("one\ntwo", "<p>one<br>two</p>"),
    "a signature beneath it": ("Host isolated", "Host isolated\n-- \nThe desk"),
    "cut at 255": (LONG, LONG[:255]),
    "cut and trimmed": ("y" * 230 + "   " + "z" * 50, "y" * 230),
}

OTHERS = {
    "another number": ("Port scan by 1.23.4.5", "Port scan by 12.3.4.5"),
    "a longer number": ("10.0.0.1", "10.0.0.11"),
    "another sign": ("Blocked!", "Blocked"),
    "another case": ("host isolated", "Host isolated"),
    "a word in between": ("See the log of host A", "See the long log of host A"),
    "a word less": ("Host isolated", "Host"),
    "words before it": ("host isolated", "Not isolated: host isolated"),
    "a letter more": ("Host isolated", "Host isolatedly"),
    "short and cut": ("Host isolated by Kim", "Host isolated"),
    "an empty text": ("Host isolated", ""),
    "an emoji for a text": ("\U0001f44d", "Closed by Kim"),
    "a text for an emoji": ("Closed", "\U0001f44d"),
    "question marks for a text": ("???", "Closed"),
}


@pytest.mark.parametrize("sent, stored", SAME.values(), ids=SAME)
def test_what_halo_does_to_a_text_leaves_it_the_same(sent, stored):
    assert may_be_stored_as(sent, stored)


@pytest.mark.parametrize("sent, stored", OTHERS.values(), ids=OTHERS)
def test_everything_else_is_another_text(sent, stored):
    assert not may_be_stored_as(sent, stored)


@pytest.mark.parametrize(
    "change",
    [
        text_changes.escaped,
        text_changes.cut_at_255,
        text_changes.question_marks,
        text_changes.joined_lines,
        text_changes.nfc,
        text_changes.trimmed,
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        "Host isolated",
        "a & b\n<c> &amp; d",
        "\U0001f525\U0001f468\u200d\U0001f469 here",
        "???",
        "  spaced\n\nout ",
        LONG,
    ],
)
def test_each_change_of_the_emulator_is_seen_through_in_a_summary(change, text):
    assert may_be_stored_as(text, change("summary", text))
    assert may_be_stored_as(text, change("summary", unicodedata.normalize("NFD", text)))


@pytest.mark.parametrize("prefixed", [True, False], ids=["in a summary", "elsewhere"])
@pytest.mark.parametrize("stored", ["[SEC] Host isolated", "[SEC]\nHost isolated", "[SEC] Host  isolated"])
def test_words_before_a_text_count_as_a_rules_only_in_a_summary(prefixed, stored):
    assert may_be_stored_as("Host isolated", stored, prefixed=prefixed) is prefixed


@pytest.mark.parametrize("stored", ["[SEC]Host isolated", "[SEC] Host isolated!", "[SEC] host isolated"])
def test_a_prefixed_summary_has_to_end_with_the_whole_text(stored):
    assert not may_be_stored_as("Host isolated", stored, prefixed=True)


@pytest.mark.parametrize("length, same", [(199, False), (200, True), (255, True)])
def test_only_a_long_text_may_have_been_cut(length, same):
    assert may_be_stored_as("y" * 300, "y" * length) is same


def test_a_cut_text_is_the_beginning_of_what_was_sent():
    assert not may_be_stored_as("y" * 300, "y" * 254 + "z")


def test_an_emoji_alone_is_any_text_that_became_question_marks_and_no_other():
    assert may_be_stored_as("\U0001f44d", "??")
    assert not may_be_stored_as("\U0001f44d", "Assigned to Kim")


def test_html_is_compared_by_what_it_shows():
    assert may_be_stored_as(html.escape("x < 5 & y"), "x < 5 & y")
