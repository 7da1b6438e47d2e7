"""What Ray begins in the place of a worker: it asks for a fork (`warm.py`), ends with it, and imports nothing heavy."""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as place:
    place.connect(os.environ["WARM_WORKERS"])
    socket.send_fds(place, [b"!"], [1, 2])
    place.sendall(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode() + b"\n")
    place.recv(1)  # which comes to nothing when the fork has ended
