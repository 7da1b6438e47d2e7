"""A step of a run, rehearsed for a few seconds and measured: `rehearse.py` asks each phase, `parts.py` opens what a run
would. In a process of its own, which gives all its memory back (`plan/measure.py`).
"""
