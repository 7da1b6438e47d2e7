"""What a run will take: counted by hand, compared with what is really held, and refused where there is no room."""

import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import groupthink.insight
from groupthink import cli
from groupthink.insight import plan as planning
from groupthink.insight.plan import changes, machine, memory
from groupthink.insight.plan.machine import Libraries
from groupthink.insight.plan.measure import Rehearsal
from groupthink.insight.plan.shape import read_shape, shape_of
from groupthink.insight.plan.staff import Staff, staff_of
from groupthink.insight.plan.words import in_words
from groupthink.insight.plan.workload import Workload, operations, tokens_of
from groupthink.model.loading import load_model
from groupthink.model.lora import add_lora
from groupthink.model.packing import pack
from groupthink.model.scoring import TokenScorer, run_body
from groupthink.model.settings import LoraSettings
from groupthink.recipe import load_recipe
from groupthink.rollout.pages import Pages
from tests.stage.conftest import place  # noqa: F401
from tests.tiny import KINDS, tiny

NOTHING = Libraries(0, 0, 0)
ALONE = Staff(drawing=1, learning=1, threads=1, small=True)
LOAD = Workload(prompt=10, response=20)
SHAPE = shape_of(tiny("qwen3"))
PARAMETERS = SHAPE.parameters


def parts(*words, staff=ALONE, load=LOAD, shape=SHAPE, device="cpu"):
    return memory.needs(load_recipe(overrides=words), shape, staff, load, device, NOTHING)[device]


# -- parameters --


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tied", [True, False])
def test_parameters_are_those_of_the_model_that_is_loaded(kind, tied, tmp_path):
    tiny(kind, tie_word_embeddings=tied).save_pretrained(tmp_path)
    shape, model = read_shape(tmp_path), load_model(tmp_path)
    assert shape.parameters == model.num_parameters() and shape.tied == tied
    assert shape.head == model.get_output_embeddings().weight.numel()
    matrices = sum(parameter.numel() for parameter in model.parameters() if parameter.ndim > 1)
    assert shape.body + shape.head * (1 if tied else 2) == matrices


def test_the_weights_are_not_read(tmp_path):
    tiny("qwen3").save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert read_shape(tmp_path).parameters == PARAMETERS


@pytest.mark.parametrize("targets", [("all-linear",), ("q_proj", "mlp.down_proj")])
def test_an_adapter_has_the_parameters_that_learn(targets):
    pytest.importorskip("peft")
    lora, model = LoraSettings(rank=3, targets=targets), tiny("qwen3")
    add_lora(model, lora, 0)
    assert SHAPE.trained(lora) == sum(one.numel() for one in model.parameters() if one.requires_grad)
    assert SHAPE.trained(LoraSettings()) == PARAMETERS


def test_a_model_that_cannot_be_had_is_named(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def refuse(*_, **__):
        raise OSError("no network\nand more")

    monkeypatch.setattr("groupthink.model.loading.AutoConfig.from_pretrained", refuse)
    with pytest.raises(ValueError, match=r"the config of 'some/model' is needed .*\(no network\)"):
        read_shape("some/model")


@pytest.mark.parametrize("error", [RuntimeError, TypeError, KeyError, ZeroDivisionError])
def test_a_model_that_fails_without_its_weights_is_trained_and_not_planned_for(error, monkeypatch):
    def fail(*_, **__):
        raise error("no weights, no numbers")

    monkeypatch.setattr("groupthink.insight.plan.shape.AutoModelForCausalLM.from_config", fail)
    with pytest.raises(ValueError, match=r"'nano' is of a kind that cannot be planned for .*no weights, no numbers"):
        read_shape("nano")
    planning.require_room(load_recipe())


def test_figures_of_each_layer_are_no_reason_to_refuse_a_model(monkeypatch):
    odd = replace(SHAPE, intermediate=[48, 96])
    monkeypatch.setattr("groupthink.insight.plan.shape.shape_of", lambda model: odd)
    with pytest.raises(ValueError, match=r"Qwen3ForCausalLM is of a kind .* intermediate is no single number"):
        read_shape("nano")
    monkeypatch.setattr(planning, "read_shape", lambda *named: odd)  # whatever else is odd
    planning.require_room(load_recipe())


# -- memory --


def test_what_a_learner_holds_by_hand():
    plain = parts("objective.kl=0")
    assert plain["weights"] == plain["gradients"] == 4 * PARAMETERS and plain["optimizer"] == 8 * PARAMETERS
    assert "reference" not in plain and "processes" not in plain
    assert parts("objective.kl=0.01")["reference"] == 4 * PARAMETERS
    half = parts("objective.kl=0.01", "policy.dtype=bfloat16")
    assert half["weights"] == half["reference"] == 2 * PARAMETERS
    assert half["gradients"] == 4 * PARAMETERS and half["optimizer"] == 12 * PARAMETERS  # masters in float32, too
    assert parts("policy.optimizer=adamw8bit")["optimizer"] < 2.1 * PARAMETERS + 1
    adapter = SHAPE.adapter(LoraSettings(rank=2))
    lora = parts("objective.kl=0.01", "lora.rank=2")
    assert "reference" not in lora and lora["optimizer"] == 8 * adapter
    assert lora["weights"] == 4 * (PARAMETERS + adapter)


def test_a_teacher_is_held_beside_the_student_as_it_was_saved(tmp_path):
    teacher = tiny("qwen3", num_hidden_layers=6)
    teacher.to(torch.bfloat16).save_pretrained(tmp_path)
    words = ("stage=distill", f"distill.teacher={tmp_path.as_posix()}", "objective.kl=0")
    its = 2 * teacher.num_parameters()
    assert parts(*words)["reference"] == parts(*words, "lora.rank=2")["reference"] == its
    staff = replace(ALONE, learning=2)
    beside = parts(*words, staff=staff)["processes"]
    activations = memory.activation_bytes(load_recipe(overrides=words), SHAPE, staff, LOAD, "cpu")
    # Files of student and teacher; in the other process the room of the larger, a gradient, and activations.
    assert beside == pytest.approx(
        4 * PARAMETERS + its + max(4 * PARAMETERS, its) + 4 * PARAMETERS + activations, abs=1
    )


def test_a_student_of_fewer_layers_is_counted_so(tmp_path):
    tiny("gemma2").save_pretrained(tmp_path)
    whole, half = read_shape(tmp_path), read_shape(tmp_path, layers=1)
    assert half.layers == 1 and 2 * half.body == whole.body and half.head == whole.head


def test_what_processes_share_counts_once():
    shape = replace(SHAPE, gated=False, by_hand=False)  # no decoder's own layout
    every, recipe = 4 * PARAMETERS, load_recipe(overrides=["objective.kl=0.01"])

    def beside(drawing, learning):
        staff = replace(ALONE, drawing=drawing, learning=learning)
        return parts("objective.kl=0.01", staff=staff, shape=shape).get("processes", 0)

    def cache(processes):
        return memory.drawing_bytes(recipe, shape, replace(ALONE, drawing=processes), LOAD, "cpu")[0]

    def activations(processes):
        return memory.activation_bytes(recipe, shape, replace(ALONE, learning=processes), LOAD, "cpu")

    assert beside(1, 1) == 0
    # Drawing: one file, and a model and a cache for each. Learning: files of policy and reference, and for each one of
    # its gradient, a model's room, and its activations.
    assert beside(2, 1) == pytest.approx(every + every + cache(2))
    assert beside(4, 1) == pytest.approx(every + 3 * (every + cache(4)))
    assert beside(1, 3) == pytest.approx(2 * every + 2 * (2 * every + activations(3)))


def test_libraries_are_mapped_once_and_their_data_is_each_process_s_own():
    found = memory.needs(
        load_recipe(), SHAPE, Staff(3, 2, 1, True), LOAD, "cpu", Libraries(code=1000, main=100, worker=10)
    )
    assert found["cpu"]["libraries"] == 1000 + 100 + 3 * 10


def test_a_gpu_and_the_machine_around_it_are_told_apart():
    found = memory.needs(load_recipe(), SHAPE, ALONE, LOAD, "cuda", NOTHING)
    assert list(found) == ["cuda", "cpu"] and found["cuda"]["optimizer"] == 8 * PARAMETERS
    assert found["cpu"] == {"weights": 4 * PARAMETERS}


PACKED = pack([np.arange(2, 14)] * 3, [np.arange(5, 30)] * 6, [0, 0, 1, 1, 2, 2])
"""Two responses of 25 tokens, of which 24 are inputs, to each of three prompts of 12."""
BATCH = memory.MicroBatch(
    responses=6, targets=6 * 25, tokens=len(PACKED.token_ids_N), repeated=6 * 36, pairs=6 * 24 * 36 + 3 * 12**2
)


def kept_for_backward(model, forward):
    """The bytes that autograd holds after a forward pass, beside the model's own."""
    own, kept, held = {parameter.data_ptr() for parameter in model.parameters()}, {}, []

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
            held.append(tensor)  # or its place could be another's afterwards
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        forward(PACKED)
    return sum(kept.values())


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
@pytest.mark.parametrize("native", [True, False])
def test_what_the_hand_written_pass_keeps_is_what_autograd_holds(kind, native, monkeypatch):
    if not native:
        monkeypatch.setattr("groupthink.model.native.library", lambda: None)
    model = tiny(kind, head_dim=16)
    shape, scorer = shape_of(model), TokenScorer(model)
    assert scorer.fast is not None
    counted = memory.kept_bytes(load_recipe(), shape, ALONE, Workload(12, 25), "cpu", BATCH)
    if not memory._between_in_c(shape, ALONE):  # the mask, and a gradient, which are not saved
        counted -= 2 * 4 * BATCH.pairs * shape.heads
    assert counted == pytest.approx(kept_for_backward(model, scorer.fast), rel=0.01)


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_what_transformers_own_pass_keeps_is_about_what_autograd_holds(kind):
    model = tiny(kind, head_dim=16)
    counted = memory.kept_bytes(load_recipe(), shape_of(model), ALONE, Workload(12, 25), "cuda", BATCH)
    assert counted == pytest.approx(kept_for_backward(model, partial(run_body, model)), rel=0.1)


def test_a_pool_grows_as_the_engine_s_does():
    load, pages, rows = Workload(prompt=70, response=100), Pages((1,)), 24
    for _ in range(3):
        pages.take(3, 8)
    for _ in range(4):
        before = len(pages.pool)
        pages.take(rows)
    held, last = memory.pool_pages(rows, 3, load)
    assert held == len(pages.pool) and last <= before


def test_smaller_micro_batches_and_recomputed_layers_take_less():
    load = Workload(prompt=50, response=150)
    words = ("task.problems_per_step=64", "policy.micro_batch_tokens=16384")
    large = parts(*words, load=load)["activations"]
    small = parts(*words[:1], "policy.micro_batch_tokens=2048", load=load)["activations"]
    assert small < large / 6
    assert parts(*words, "policy.recompute_layers=true", load=load)["activations"] < large


def test_sampling_holds_nothing_that_learns():
    assert set(parts("stage=sample")) == {"weights", "decoder", "cache"}
    few, many = (parts("stage=sample", f"sample.responses={count}")["cache"] for count in (1, 8))
    assert few < many


# -- this machine --


@pytest.mark.parametrize(
    ("line", "folder", "names"),
    [
        ("0::/job/part", "job", ("memory.max", "memory.current", "inactive_file")),
        ("0::/elsewhere", "", ("memory.max", "memory.current", "inactive_file")),  # a container sees the root alone
        (
            "4:cpu,memory:/job/part",
            "memory/job",
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ),
    ],
)
def test_a_limit_around_this_process_counts(line, folder, names, tmp_path):
    proc, place = tmp_path / "proc", tmp_path / "cgroup" / folder  # noqa: F811
    (proc / "self").mkdir(parents=True)
    place.mkdir(parents=True)
    (proc / "self/cgroup").write_text(f"9:name=systemd:/\n{line}\n")
    (place / names[0]).write_text("1000\n")
    (place / names[1]).write_text("700\n")
    (place / "memory.stat").write_text(f"anon 600\n{names[2]} 50\n")
    assert list(machine._cgroup_rooms(proc, tmp_path / "cgroup")) == [350]
    (place / names[0]).write_text("max\n")
    assert list(machine._cgroup_rooms(proc, tmp_path / "cgroup")) == []


def test_the_memory_of_a_process_is_read():
    its = machine.held_by("self")
    if its is None:
        pytest.skip("only Linux tells")
    assert 0 < its["Anonymous"] < its["Rss"] and 0 < its["Pss"] <= its["Rss"]
    assert machine.held_by(2**30) is None
    assert machine.free_memory("cpu") > 0


def test_processes_are_those_that_a_run_would_settle(monkeypatch):
    monkeypatch.setattr("groupthink.insight.plan.staff.physical_cores", lambda: 4)
    small, large = SHAPE, replace(SHAPE, parameters=10**9)
    assert staff_of(load_recipe(), small, "cpu") == Staff(4, 4, 1, True)
    assert staff_of(load_recipe(), small, "cpu", worth=2) == Staff(2, 2, 1, True)
    assert staff_of(load_recipe(), large, "cpu") == Staff(1, 1, 4, False)
    assert staff_of(load_recipe(overrides=["stage=grpo_async", "rollout.lag=1"]), small, "cpu") == Staff(1, 3, 1, True)
    assert staff_of(load_recipe(overrides=["policy.dtype=bfloat16"]), small, "cpu") == Staff(4, 1, 1, True)
    assert staff_of(load_recipe(overrides=["rollout.processes=3"]), small, "cpu", worth=1) == Staff(3, 4, 1, True)
    assert staff_of(load_recipe(), small, "cuda").drawing == 1


# -- changes --


def test_what_changes_nothing_about_the_result_comes_first():
    recipe = load_recipe(overrides=["policy.micro_batch_tokens=1024"])
    asked = []

    def never(changed):
        asked.append(changed)
        return False

    assert changes.smallest(recipe, never) is None
    assert asked[0].policy.micro_batch_tokens == 512 and asked[1].policy.micro_batch_tokens == 256
    assert len(asked) == len(set(map(repr, asked)))

    def fits(changed):
        return changed.policy.dtype == "bfloat16" and changed.policy.recompute_layers

    assert changes.smallest(recipe, fits) == ("policy.recompute_layers=true", "policy.dtype=bfloat16")
    assert changes.smallest(recipe, lambda changed: changed.rollout.max_tokens <= 100) == ("rollout.max_tokens=100",)


def test_the_words_are_settings_that_a_recipe_takes():
    recipe = load_recipe()
    for change in changes.changes_of(recipe):
        words = [f"{name}={changes._word(value)}" for name, value in change.items()]
        assert load_recipe(overrides=words) == changes.apply(recipe, change)


def test_train_refuses_what_cannot_fit_and_makes_nothing(monkeypatch, capsys, tmp_path, place):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    needed = sum(
        sum(its.values())
        for its in memory.needs(
            load_recipe(place / "grpo.toml"), SHAPE, ALONE, Workload.at_most(load_recipe()), "cpu", machine.TYPICAL
        ).values()
    )
    monkeypatch.setattr(planning, "free_memory", lambda device: needed // 3)
    assert cli.main(["train", str(place / "grpo.toml")]) == 2
    said = capsys.readouterr().err
    assert "this run needs about" in said and "are free: take a smaller model" in said
    assert not (tmp_path / "runs").exists()
    monkeypatch.setattr(planning, "free_memory", lambda device: None)  # a system that does not say
    planning.require_room(load_recipe(place / "grpo.toml"))


def test_the_refusal_names_the_changes_with_which_it_fits(monkeypatch):
    recipe = load_recipe(overrides=["rollout.processes=1", "policy.processes=1", "rollout.max_tokens=400"])
    shape = replace(read_shape("nano"), layers=400, intermediate=38400)  # activations alone are large
    monkeypatch.setattr(planning, "read_shape", lambda *named: shape)
    load = Workload.at_most(recipe)

    def needed(one):
        return memory.needs(one, shape, staff_of(one, shape, "cpu"), load, "cpu", machine.TYPICAL)["cpu"]

    small = changes.apply(recipe, {"policy.micro_batch_tokens": 1024})
    monkeypatch.setattr(planning, "free_memory", lambda device: sum(needed(small).values()))
    planned = planning._fitting(shape, "cpu", load, machine.TYPICAL)
    assert not planned(recipe) and planned(small)
    assert changes.smallest(recipe, planned) == ("policy.micro_batch_tokens=1024",)
    planning.require_room(recipe)  # micro-batches that do not fit are halved as it goes
    monkeypatch.setattr(planning, "free_memory", lambda device: 10**8)
    with pytest.raises(ValueError, match="this run needs about"):
        planning.require_room(recipe)


def test_changes_are_looked_for_with_as_many_processes_as_were_found_to_be_worth_it(rehearsed, monkeypatch):
    monkeypatch.setattr("groupthink.insight.plan.staff.physical_cores", lambda: 4)
    staffs = []

    def needs(recipe, shape, staff, *_):
        staffs.append(staff.drawing)
        return {"cpu": {"weights": 10}}

    monkeypatch.setattr(planning, "needs", needs)
    monkeypatch.setattr(planning, "free_memory", lambda device: 1)
    planning.plan(load_recipe())
    assert staffs[:1] == [4] and set(staffs[1:]) == {REHEARSED.worth}  # before anything is measured, and after


# -- time --


def test_operations_of_a_pass_by_hand():
    # Two responses of 3 and 1 tokens to a prompt of 2: inputs 2 + 2 + 0, targets 4, pairs 3 + (3 + 4) + 0.
    found = operations(SHAPE, [2], [[3, 1]])
    assert found == 2 * SHAPE.active * 4 + 2 * SHAPE.head * 4 + 4 * SHAPE.attended * SHAPE.layers * 10


def test_the_time_of_a_run_adds_up():
    recipe = load_recipe(
        overrides=[
            "steps=10",
            "evaluate.every=4",
            "evaluate.problems=5",
            "evaluate.samples=2",
            "evaluate.base_samples=6",
            "checkpoint_every=100",
        ]
    )
    seconds = {"generate": 3.0, "learn": 2.0}
    # Before: 6 + 1 + 2 for each problem; after 4 and 8 steps and at the end: 2 + 1.
    expected = 7 + 10 * 5 + 5 * (9 + 3 * 3) * 0.1
    assert planning._total(recipe, SHAPE, seconds, 0.1, 7.0) == pytest.approx(expected, rel=1e-3)
    ahead = load_recipe(overrides=["stage=grpo_async", "rollout.lag=1"])
    assert planning._step(ahead, seconds) == 3.0 and planning._step(recipe, seconds) == 5.0


def test_sampling_takes_the_time_of_its_steps_alone():
    recipe = load_recipe(overrides=["stage=sample", "sample.problems=40", "task.problems_per_step=16"])
    assert planning._total(recipe, SHAPE, {"generate": 3.0, "learn": 0.0}, 0.1, 7.0) == 7 + 3 * 3


# -- the plan --


REHEARSED = Rehearsal({"generate": 1.0, "learn": 2.0}, 0.01, 5.0, 1, 11.0, 17.0, True, ("a note",), 10**8, 10**8)


@pytest.fixture
def rehearsed(monkeypatch):
    monkeypatch.setattr(planning, "measure", lambda *_, **__: REHEARSED)


def check(capsys, monkeypatch, *words, try_rewards=lambda *_, **__: SHAPE):
    """The exit code of `groupthink check`, and what it prints."""
    stub = SimpleNamespace(try_rewards=try_rewards, in_words=lambda tried: ["the rewards"])
    monkeypatch.setattr(groupthink.insight, "trials", stub, raising=False)
    code = cli.main(["check", *words])
    return code, capsys.readouterr().out


def test_check_prints_one_object(rehearsed, capsys, monkeypatch):
    code, out = check(capsys, monkeypatch, "--json", "steps=10")
    found = json.loads(out)
    assert code == 0 and set(found) == {"plan", "rewards"} and found["rewards"]["layers"] == SHAPE.layers
    planned = found["plan"]
    assert planned["parameters"] == load_model("nano").num_parameters()
    assert planned["fits"] is True and planned["changes"] == [] and planned["step_seconds"] == 3.0
    assert planned["memory_bytes"] == sum(planned["memory"][0]["parts"].values())
    assert planned["total_seconds"] > 10 * 3.0 and planned["notes"] == ["a note"]
    assert planned["tokens_per_step"] == tokens_of(load_recipe(), Workload(11, 17)) == 16 * (11 + 8 * 17)


def test_check_in_words(rehearsed, capsys, monkeypatch):
    code, out = check(capsys, monkeypatch)
    assert code == 0 and "It fits." in out and "optimizer" in out and "the rewards" in out
    assert "a step" in out and "3 s (generate 1 s, learn 2 s)" in out


@pytest.mark.parametrize("error", [ValueError, RuntimeError, OSError, torch.OutOfMemoryError])
def test_rewards_that_cannot_be_tried_leave_the_plan(error, rehearsed, capsys, monkeypatch):
    def fail(*_, **__):
        raise error("no such\x1bmemory")

    code, out = check(capsys, monkeypatch, try_rewards=fail)
    assert code == 2 and "It fits." in out and "\nNote: the rewards could not be tried: no such\\x1bmemory\n" in out
    code, out = check(capsys, monkeypatch, "--json", try_rewards=fail)
    found = json.loads(out)
    assert code == 2 and found["plan"]["fits"] is True and found["rewards"] is None
    assert found["rewards_error"] == "no such\\x1bmemory"


def test_a_stop_while_the_rewards_are_tried_is_no_failure_of_theirs(rehearsed, capsys, monkeypatch):
    def stopped(*_, **__):
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("closed in the middle of its work")

    code, out = check(capsys, monkeypatch, try_rewards=stopped)
    assert code == 130 and "It fits." in out and "could not be tried" not in out


def test_check_of_what_does_not_fit_says_what_would(rehearsed, capsys, monkeypatch):
    monkeypatch.setattr(planning, "free_memory", lambda device: 1000)
    code, out = check(capsys, monkeypatch, "--json")
    assert code == 1 and json.loads(out)["plan"]["fits"] is False
    monkeypatch.setattr(planning, "smallest", lambda recipe, fits: ("policy.dtype=bfloat16",))
    asked = []
    code, out = check(capsys, monkeypatch, try_rewards=lambda *_, fits: asked.append(fits))
    assert asked == [False]  # the model itself would find no room
    assert code == 1 and "It does not fit. It would with: policy.dtype=bfloat16" in out


def test_a_measurement_that_fails_leaves_the_rest_of_the_plan(capsys, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("measuring failed: why")

    monkeypatch.setattr(planning, "measure", fail)
    found = planning.plan(load_recipe())
    assert found.step_seconds is found.total_seconds is found.seconds is None
    assert found.notes == ("measuring failed: why",) and found.memory_bytes > 10**8
    assert "Note: measuring failed: why." in in_words(found)
    assert found.response_tokens == load_recipe().rollout.max_tokens and "is not known before" in found.assumed
