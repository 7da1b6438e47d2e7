"""From run directories to what pages show: plain dicts that JSON can hold. Nothing is written into a run, and no model
is loaded.

| file | what it reads |
|---|---|
| `places` | which runs there are below a folder, and what their names stand for |
| `status` | whether a run is at work, and if not, why |
| `runs` | a card for each run |
| `curves`, `evaluations`, `health` | a run's figures over its steps, its marks, evaluations and findings |
| `reports` | the report's table, of a recipe of several stages |
| `steps`, `groups`, `responses` | one step, one group of it, one response token by token |
| `problems`, `visits` | the problems of a run; one problem through all of it |
| `arithmetic`, `estimators`, `written` | the advantages of a group, written out |
| `index`, `cache` | a row for each group of a run, kept in the user's cache directory |
| `pieces` | token ids as pieces of text |

Below them: `rows` (rollouts), `series` and `growing` (lines that are added while they are read), `settings` (recipes),
`chains`, `kept` (what is as it was is not read again), `numbers`.

A run may be at work meanwhile, have been cut off anywhere, or lack whatever its stage does not make. What is asked for
and not there raises LookupError, what cannot be read ValueError; both say what to do. A figure that nobody knows is
None.
"""
