"""A process that says back what it hears, and misbehaves when it is told to."""

import os
import sys
import time
from multiprocessing.connection import Connection


def main(descriptor: int) -> None:
    connection = Connection(descriptor)
    print("begun", flush=True)
    while True:
        match connection.recv():
            case ("exit", code):
                print("it was told to", flush=True)
                os._exit(code)
            case ("sleep", seconds):
                time.sleep(seconds)
            case ("where",):
                connection.send((sys.executable, os.environ.get("GREETING")))
            case message:
                connection.send(message)
