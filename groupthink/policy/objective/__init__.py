"""The objective: what the learner makes smaller, put together from choices that do not depend on each other.

    loss = sum over tokens of
        weight * (keep * surrogate + kl * KL + kl_focus * |log(pi / pi_old)| - entropy_bonus * entropy)

| choice | file |
|---|---|
| the ratio of new to old probability, of a token or of a response | `ratio` |
| what is made of ratio and advantage | `surrogates`, `clipping`; `functions` for one of the user's own |
| how far from the reference, and where that counts | `kl` |
| each token's share of the loss (weight) | `reduction`, `overlong` |
| what sampling differences and staleness are worth (keep) | `correction` |
| which tokens teach (keep), and which are held back (kl_focus) | `focus` |
| how much uncertainty is worth | `entropy` |

A row of `rows` names such a choice as a paper made it; `settings` holds them all. Maths is pure functions of
columns, over the M response tokens of a micro-batch (`tokens`) or, in numpy, of a whole batch.
"""
