from groupthink.run.stages import PIPELINE, STAGES, run_name, worked_seconds


def event(kind: str, time: float) -> dict:
    return {"event": kind, "time": time}


def test_time_between_sessions_does_not_count():
    events = [event("started", 100.0), event("checkpoint", 130.0), event("resumed", 500.0), event("finished", 507.0)]
    assert worked_seconds(events) == 30 + 7


def test_of_a_run_at_work_the_steps_say_how_long_it_has_been():
    lines = [{"step": step, "time/generate": 4.0, "time/learn": 6.0, "loss": 99.0} for step in range(3)]
    assert worked_seconds([event("started", 100.0)], lines) == 30
    assert worked_seconds([], []) == 0


def test_a_stage_is_called_by_its_name_and_another_run_by_its_folder(tmp_path):
    place = tmp_path / STAGES / "12-rl-2"
    assert run_name(place) == "12-rl-2"
    (tmp_path / PIPELINE).touch()
    assert run_name(place) == "rl-2" and run_name(tmp_path / "3-runs") == "3-runs"
