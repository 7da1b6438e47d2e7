"""The files by which a run is begun on a cluster: they can be read, and the words in them are settings."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from groupthink.recipe import load_recipe

ROOT = Path(__file__).parents[1]
CLUSTER = ROOT / "examples/cluster"
FILES = ("slurm.sbatch", "rayjob.yaml")


def words(text: str) -> list[str]:
    """key=value words of a run, as they stand: of a first start, without what a shell fills in."""
    found = re.findall(r"(?<![\w.\-/])((?:[a-z]+\.)?[a-z_]+=[^\s\"';]+)", text)
    settings = ("scale.", "rollout.", "task.", "stage=")
    return [word for word in found if word.startswith(settings)]


def test_the_script_for_slurm_is_one():
    subprocess.run(["bash", "-n", str(CLUSTER / "slurm.sbatch")], check=True)


def test_the_job_for_kubernetes_is_one():
    job = yaml.safe_load((CLUSTER / "rayjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert container["resources"]["limits"] == container["resources"]["requests"]
    subprocess.run(["bash", "-n", "-c", job["spec"]["entrypoint"]], check=True)
    pinned = re.search(r"^ray==(.*)$", (ROOT / "constraints/dev.txt").read_text(), re.MULTILINE)
    assert pinned and cluster["rayVersion"] == pinned[1]
    assert f"ray[default]=={pinned[1]}" in (CLUSTER / "Dockerfile").read_text()


@pytest.mark.parametrize("name", FILES)
def test_the_words_are_settings_that_go_together(name):
    text = (CLUSTER / name).read_text()
    if name.endswith(".yaml"):
        text = yaml.safe_load(text)["spec"]["entrypoint"]
    given = dict(word.split("=", 1) for word in words(text.replace("$address:$PORT", "auto").replace('"', "")))
    assert {"stage", "rollout.lag", "scale.address", "scale.engines", "scale.learners"} <= given.keys()
    recipe = load_recipe("qwen3-1.7b-gsm8k", [f"{key}={value}" for key, value in given.items()])
    assert recipe.scale.engines * recipe.scale.engine_gpus + recipe.scale.learners * recipe.scale.learner_gpus == 4 * 8
    assert recipe.task.problems_per_step >= recipe.scale.engines


def test_commands_of_the_page_are_recipes():
    page = (ROOT / "docs/cluster.md").read_text()
    commands = re.findall(r"groupthink train (qwen\S+) ((?:.*\\\n)*.*)", page)
    assert commands
    for name, rest in commands:
        load_recipe(name, [word for word in rest.replace("\\", " ").split() if "=" in word])


def test_every_file_is_told_of():
    page = (ROOT / "docs/cluster.md").read_text()
    assert [path.name for path in CLUSTER.iterdir() if f"examples/cluster/{path.name})" not in page] == []
