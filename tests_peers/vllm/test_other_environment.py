"""The learner in groupthink's own environment, vLLM in this one."""

import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

LEARNER = """
import json, sys
from pathlib import Path
import torch, transformers
from groupthink.model.chat import Chat
from groupthink.model.loading import load_model, load_tokenizer
from groupthink.records import Weights
from groupthink.rollout.generate import generate
from groupthink.rollout.vllm.open import open_vllm
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.vllm.settings import VllmSettings
from groupthink.task import open_task

python, folder = sys.argv[1:]
model, tokenizer, settings = load_model("nano"), load_tokenizer("nano"), RolloutSettings(group_size=2)
engine = open_vllm(model, tokenizer, settings, torch.device("cpu"), Path(folder), VllmSettings(python=python))
engine.verify(Weights(0, model.state_dict()))
groups = generate(engine, Chat(tokenizer), open_task("quadratics", 0).sample(0, 4), settings, seed=0)
engine.close()
texts = [response.text for group in groups for response in group.responses]
print(json.dumps({"transformers": transformers.__version__, "texts": texts}))
"""


def test_the_process_is_another_environment_s(tmp_path: Path):
    own = REPOSITORY / ".venv" / "bin" / "python"
    command = [own, "-c", LEARNER, sys.executable, tmp_path]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert len(answer["texts"]) == 8 and all("<think>" in text for text in answer["texts"])
    import transformers

    assert answer["transformers"] != transformers.__version__
