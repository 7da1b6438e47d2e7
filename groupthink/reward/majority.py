"""Majority: the answer that most of a group gave stands in for one that nobody knows.

Learning from problems without answers: TTRL (arXiv 2504.16084) takes the group's own vote as the label.
"""

from collections.abc import Callable, Sequence

Same = Callable[[str, str], bool]
"""Whether a vote (its first answer), and another answer, are the same."""


def majority(answers: Sequence[str | None], same: Same) -> list[float | None]:
    """For each answer of a group: 1 where it is the commonest one, else 0; no answer is no vote, and 0.

    Where the vote decides nothing (two answers lead, or none came twice) there is no label: None, for all.

    >>> majority(["2", "3", None, "2"], str.__eq__)
    [1.0, 0.0, 0.0, 1.0]
    """
    votes: list[list[int]] = []  # places in the group
    for place, answer in enumerate(answers):
        if answer is None:
            continue
        vote = next((vote for vote in votes if same(str(answers[vote[0]]), answer)), None)
        if vote is None:
            votes.append([place])
        else:
            vote.append(place)
    votes.sort(key=len, reverse=True)
    if not votes or len(votes[0]) < 2 or (len(votes) > 1 and len(votes[1]) == len(votes[0])):
        return [None] * len(answers)
    return [float(place in votes[0]) for place in range(len(answers))]
