"""The run directory: what was asked, what happened, and what came of it. Files are the truth.

recipe.toml                    resolved, with every default written out
events.jsonl                   started, resumed, checkpoint, restarted, disagreement, finished: a line each
metrics.jsonl                  one line a step
rollouts/step-000012.parquet   a row for each response of step 12
evaluations/before.parquet     a row for each response of an evaluation; its figures in before.json
checkpoints/step-000040/       the state after 40 steps: complete or absent
model/                         the trained model, with its card
summary.json                   written when the run has finished
"""
