from __future__ import annotations

from streamseg.video.events import State, StreamEvent, StreamEvents


def event(state: State, source_index: int = 0) -> StreamEvent:
    return StreamEvent("gate", source_index, state)


def test_a_source_that_is_removed_before_its_first_event_leaves_nothing() -> None:
    heard: list[StreamEvent] = []
    events = StreamEvents(heard.append)
    events.forget(0, has_ended=False)
    events.tell(event("connecting"))
    events.tell(event("ended"))
    assert [one.state for one in heard] == ["connecting", "ended"]
    assert events.listen(heard.append) == []


def test_a_source_that_is_removed_while_live_leaves_nothing() -> None:
    events = StreamEvents()
    events.tell(event("live"))
    events.tell(event("live", 1))
    events.forget(0, has_ended=False)
    events.tell(event("ended"))
    assert events.listen(print) == [event("live", 1)]


def test_removing_what_is_not_there_changes_nothing() -> None:
    events = StreamEvents()
    events.forget(1, has_ended=True)
    events.tell(event("live", 1))
    assert events.listen(print) == [event("live", 1)]
