"""Search over all responses of a run.

| file | what it is |
|---|---|
| `query` | what is asked for, read from an address |
| `patterns` | what is looked for in a text: RE2 |
| `walk` | the steps, one after the other, until there is enough or the time is over |
| `scanning` | one step's file |
| `bounds`, `top` | hits that are ordered by a figure: how high those of a step can be, and which can be told |
"""
