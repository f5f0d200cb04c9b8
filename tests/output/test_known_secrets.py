import base64
import html
import json
import re
import secrets
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.output.known_secrets import KEPT, SHORTEST, KnownSecrets

from ..properties import examples

SHOWN = "(hidden)"


def known(*values: str) -> KnownSecrets:
    found = KnownSecrets()
    found.know("kind", *values)
    return found


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON in letters": lambda value: json.dumps(value, ensure_ascii=False),
    "JSON with slashes escaped": lambda value: json.dumps(value).replace("/", "\\/"),
    "an address": lambda value: f"https://host/?a={quote(value, safe='')}",
    "an address in lower case": lambda value: re.sub("%..", lambda hit: hit[0].lower(), quote(value, safe="")),
    "a form": quote_plus,
    "an address in an address": lambda value: quote(quote(value, safe=""), safe=""),
    "HTML": html.escape,
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 for addresses": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "base64 with a name in front": lambda value: base64.b64encode(f"user:{value}\n".encode()).decode(),
    "base64 with one before": lambda value: base64.b64encode(f"a{value}".encode()).decode(),
    "base64 of JSON": lambda value: base64.b64encode(f'{{"id": "{value}"}}'.encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("value", ["b9f1c2d4-4333-8444", 'p/w?"<&>\\ é+~', "under_score.and-dot"])
def test_a_secret_is_hidden_in_every_form(value: str, form: Callable[[str], str]) -> None:
    shown = known(value).hide(f"It was {form(value)}.", SHOWN)
    # Of what stands around it nothing more is left than there was, and the ends of base64.
    assert SHOWN in shown and value not in shown
    assert len(shown) <= len(f"It was {form('')}.") + len(SHOWN) + 8


@given(
    st.text(max_size=20), st.text(st.characters(codec="utf-8"), min_size=SHORTEST, max_size=20), st.text(max_size=20)
)
@examples(200)
def test_wherever_it_stands_it_is_hidden(before: str, value: str, after: str) -> None:
    assert value not in known(value).hide(before + value + after, "·")


def test_upper_and_lower_case_are_the_same_secret() -> None:
    value = "AbCd-1234-eF"
    assert known(value).hide(value.lower() + value.upper(), SHOWN) == SHOWN * 2


def test_a_part_of_a_token_is_hidden_but_for_the_first_which_is_everybodys() -> None:
    token = jwt.encode({"exp": int(time.time()), "sub": secrets.token_hex(8)}, secrets.token_hex(32))
    head, claims, signature = token.split(".")
    assert known(token).hide(f"{head} {claims} {signature}", SHOWN) == f"{head} {SHOWN} {SHOWN}"


def test_a_short_value_is_a_word_of_the_language() -> None:
    assert known("a", "plus", "token"[:SHORTEST], "").hide("a plus token", SHOWN) == "a plus token"


def test_one_that_is_a_part_of_another_leaves_nothing_of_it() -> None:
    assert known("secret", "secret-and-more").hide("secret-and-more secret", SHOWN) == f"{SHOWN} {SHOWN}"


def test_old_ones_stay_hidden_for_a_while_and_one_kind_pushes_out_no_other() -> None:
    found = KnownSecrets()
    found.know("account", "the-account")
    values = [secrets.token_hex(8) for _ in range(3 * KEPT)]
    for value in values:
        found.know("cookie", value)
    assert found.hide("the-account", SHOWN) == SHOWN
    assert [found.hide(value, SHOWN) for value in values[-KEPT:]] == [SHOWN] * KEPT
    assert found.hide(values[0], SHOWN) == values[0]


def test_one_that_is_used_again_stays() -> None:
    found = KnownSecrets()
    for number in range(3 * KEPT):
        found.know("token", "the-one-in-use", f"another-{number:04}")
    assert found.hide("the-one-in-use another-0000", SHOWN) == f"{SHOWN} another-0000"


def test_without_secrets_nothing_is_changed() -> None:
    assert KnownSecrets().hide("text", SHOWN) == "text"
