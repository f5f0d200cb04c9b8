import pytest

from codex_proxy.views.frames import Windows
from codex_proxy.views.timeline import Timeline


def rows(timeline: Timeline) -> list[list[str]]:
    return [line.split() for line in timeline.text().splitlines()]


def test_events_of_one_type_in_a_row_are_one_row() -> None:
    timeline = Timeline([[0, 100], [10, 120], [20, 350], [30, 360]])
    timeline.add("first", [10], 10)
    timeline.add("delta", [20], 10)
    timeline.add("delta", [30, 40], 20)
    timeline.add("last", [1040], 1000)
    assert rows(timeline) == [
        ["#", "ms", "gap", "size", "event"],
        ["1", "100", "100", "10", "B", "first"],
        ["2-4", "120", "20", "30", "B", "delta", "x", "3", "in", "240", "ms,", "longest", "gap", "230", "ms"],
        ["5", "360", "0", "1.0", "kB", "last"],
    ]
    assert timeline.lasted == 360 and timeline.events == 5


def test_keep_alives_do_not_end_a_run_of_deltas() -> None:
    timeline = Timeline()
    for kind in ("(comment)", "a.delta", "keepalive", "a.delta", "(comment)", "b", "keepalive", "b"):
        timeline.add(kind, [timeline.events + 1], 1)
    assert [row[0] + " " + " ".join(row[3:]) for row in rows(timeline)[1:]] == [
        "1 (comment)",
        "2-5 a.delta x 2, 2 keep-alives between",
        "6 b",
        "7 keepalive",
        "8 b",
    ]


def test_an_event_came_when_its_last_piece_came() -> None:
    timeline = Timeline([[0, 5], [4, 9], [8, 30]])
    timeline.add("in three pieces", [10], 10)
    assert rows(timeline)[1][:3] == ["1", "30", "30"]


def test_without_marks_there_are_no_times() -> None:
    timeline = Timeline()
    timeline.add("delta", [10, 20], 20)
    assert rows(timeline) == [["#", "size", "event"], ["1-2", "20", "B", "delta", "x", "2"]]
    assert timeline.lasted is None


@pytest.mark.parametrize(("between", "number", "said"), [(5, "7", "… 5 events, 1.5 kB …"), (None, "1.0", "… 1.5 kB …")])
def test_what_is_left_out_is_told(between: int | None, number: str, said: str) -> None:
    timeline = Timeline()
    timeline.add("first", [10], 10)
    timeline.skip(Windows(10, 1510, 1500), between)
    timeline.add("last", [2510], 1000)
    assert said in timeline.text()
    assert rows(timeline)[-1][0] == number
    assert timeline.numbered is (between is not None)


def test_the_time_goes_on_behind_what_is_left_out() -> None:
    timeline = Timeline([[0, 10], [100, 50], [200, 60]])
    timeline.add("first", [10], 10)
    timeline.skip(Windows(10, 150, 140), 3)
    timeline.add("last", [220], 70)
    assert rows(timeline)[-1][:3] == ["5", "60", "10"]


def test_the_time_is_that_of_the_place_in_the_stream_itself() -> None:
    timeline = Timeline([[0, 10], [1000, 50], [2000, 60]])
    timeline.skip(Windows(0, 50, 1050, shift=1000), 3)
    timeline.add("last", [1150], 1100)
    assert rows(timeline)[-1][:3] == ["4", "60", "10"]


def test_a_long_timeline_shows_its_first_and_last_rows() -> None:
    timeline = Timeline()
    for place in range(10_000):
        timeline.add(f"kind {place}", [place + 1], 1)
    text = timeline.text()
    assert "… 9,700 rows …" in text and len(text.splitlines()) == 302
    assert "kind 149\n" in text and "kind 9850\n" in text and "kind 150\n" not in text
