from groupthink.insight.report.spent import seconds, tokens


def event(kind: str, time: float) -> dict:
    return {"event": kind, "time": time}


def test_time_between_sessions_does_not_count():
    events = [event("started", 100.0), event("checkpoint", 130.0), event("resumed", 500.0), event("finished", 507.0)]
    assert seconds(events, []) == 30 + 7


def test_of_a_run_at_work_the_steps_say_how_long_it_has_been():
    lines = [{"step": step, "time/generate": 4.0, "time/learn": 6.0, "loss": 99.0} for step in range(3)]
    assert seconds([event("started", 100.0)], lines) == 30
    assert seconds([], []) == 0


def test_tokens_are_those_of_the_last_line():
    assert tokens([{"num_tokens": 10.0}, {"num_tokens": 25.0}]) == 25
    assert tokens([]) == tokens([{"loss": 1.0}]) == 0
