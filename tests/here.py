"""A task's processes in this one, for tests of something else: each takes seconds to begin."""


class Here:
    """In place of `groupthink.task.aside.Aside`."""

    alive = True

    def __init__(self, seconds, opening=0.0):
        self.seconds, self.opening, self.asked = seconds, opening, []

    def send(self, function, *arguments):
        self.asked.append((function, arguments))

    def receive(self):
        function, arguments = self.asked.pop(0)
        return function(*arguments)

    def call(self, function, *arguments):
        return function(*arguments)

    def close(self):
        pass


def work_here(monkeypatch) -> None:
    """Problems are made and scored in this process."""
    monkeypatch.setattr("groupthink.task.gym.Aside", Here)
    monkeypatch.setattr("groupthink.task.lookahead.Aside", Here)
