"""What a run takes of a cluster: room for its parts, and the time of a step for any number of engines and learners.

Memory is arithmetic (`room.py`). Time is simulated (`simulate.py`) from what one engine and one learner take, which a
rehearsal measures (`rehearsed.py`). Nothing here knows of Ray: machines are told (`machines.py`).
"""
