"""Rejection sampling: right chains of a policy, filtered, as a data set that others can learn from.

DeepSeek-R1's third step (arXiv 2501.12948, section 2.3.3): several responses to each problem, of which those are kept
that are right and can be read.
"""
