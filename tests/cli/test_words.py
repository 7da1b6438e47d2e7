import subprocess
import sys

import pytest

from groupthink import cli
from groupthink.cli.words import parse
from groupthink.stage.settings import EvaluateSettings


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "choose from 'train', 'eval', 'check', 'explain', 'doctor'"),
        ([], "{train,eval,check,doctor,report,view,explain,serve,chat}"),
        (["train", "--rum", "x"], "--rum"),
        (["eval", "nano", "--problems", "0"], "give a whole number from 1 upwards"),
        (["eval", "nano", "--samples", "2.5"], "give a whole number from 1 upwards"),
    ],
)
def test_words_that_are_no_command_are_refused_with_the_usage(words, said, capsys):
    with pytest.raises(SystemExit) as refused:
        cli.main(words)
    captured = capsys.readouterr()
    assert refused.value.code == 2 and captured.out == ""
    assert captured.err.startswith("usage: groupthink") and said in captured.err


def test_the_defaults_of_eval_are_those_of_a_recipe(capsys):
    args = parse(["eval", "nano"])
    assert (args.problems, args.samples) == (EvaluateSettings().problems, EvaluateSettings().samples)


def test_help_imports_nothing_heavy():
    code = "import sys, groupthink.cli as cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "numpy", "pyarrow", "rich"} & set(loaded)
