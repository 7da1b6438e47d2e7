import pytest


@pytest.mark.fault("B14")
def test_a_run_of_which_most_responses_are_cut_says_in_its_first_step_what_to_raise(finished):
    [finding] = [event for event in finished.events("finding") if event["cause"] == "truncated"]
    assert finding["step"] == 0 and "raise rollout.max_tokens" in finding["advice"]
