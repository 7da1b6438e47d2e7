from groupthink.records import Score
from groupthink.run.metrics import dead_metrics


def test_dead_groups_are_counted_and_told_apart():
    def group(*rewards):
        return [Score(value, {"accuracy": float(value == 1)}) for value in rewards]

    figures = dead_metrics([group(1.0, 1.0), group(0.2, 0.2), group(1.0, 0.2), group(0.0, 0.0)])
    assert figures == {"frac_reward_zero_std": 0.75, "frac_all_right": 0.25, "frac_all_wrong": 0.5}
    unknown = [[Score(0.2, {"accuracy": None}), Score(0.2, {"accuracy": None})]]
    assert dead_metrics(unknown) == {"frac_reward_zero_std": 1.0, "frac_all_right": 0.0, "frac_all_wrong": 0.0}
