"""Talking with models: on the chat page, where several of a run answer side by side, and in a terminal.

| file | what it is |
|---|---|
| `routes` | what the page asks for |
| `question` | what one asks, checked |
| `process`, `work` | the process in which models are open: as the server sees it, and its life |
| `models` | the models that there are, and those that are open |
| `answers` | what models of a run answer, side by side |
| `judge` | what the run's rewards say of it |
| `terminal` | `groupthink chat` |
"""
