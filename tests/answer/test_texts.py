from codex_proxy.answer.texts import BY_DELTA, BY_DONE, BY_PART, CALLS, PART_EVENTS, PARTS, TEXTS


def test_a_text_is_found_by_each_of_its_events() -> None:
    for text in TEXTS:
        assert BY_DELTA[f"{text.event}.delta"] is text and BY_DONE[f"{text.event}.done"] is text


def test_a_text_stands_in_a_part_or_is_a_calls() -> None:
    for text in TEXTS:
        assert bool(text.part) == bool(text.place) == bool(text.parts) == (text.kind not in CALLS)
        if text.part:
            assert BY_PART[text.parts, text.part] is text and text.parts in PARTS


def test_a_part_begins_and_ends() -> None:
    assert PART_EVENTS["response.content_part.added"] == ("content", "added")
    assert PART_EVENTS["response.reasoning_summary_part.done"] == ("summary", "done")
