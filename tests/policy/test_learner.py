"""The learner against a plain, padded reference, and against itself."""

import dataclasses
import sys

import numpy as np
import pytest
import torch

from groupthink.model.gradient_checkpointing import checkpoint_layers
from groupthink.policy.assemble import assemble
from groupthink.policy.learner import Learner
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.optimizer import load_optimizer, save_optimizer
from groupthink.policy.settings import PolicySettings
from tests.warm import Warm, code

TEMPERATURE = 0.7
SETTINGS = PolicySettings(max_grad_norm=1e9, threads=1)
OBJECTIVE = ObjectiveSettings(kl=0.1)


def make_learner(model, reference=None, **changes):
    """Changes are settings of the policy or of the objective."""
    names = {field.name for field in dataclasses.fields(PolicySettings)}
    settings = dataclasses.replace(SETTINGS, **{name: value for name, value in changes.items() if name in names})
    rest = {name: value for name, value in changes.items() if name not in names}
    objective = dataclasses.replace(OBJECTIVE, **rest)
    return Learner(model, reference, settings, objective, total_steps=10, temperature=TEMPERATURE)


def gradients_of(learner, batch) -> list[dict[str, torch.Tensor]]:
    """The gradient that each optimizer step of an update is made with."""
    seen = []

    def keep(*_):
        seen.append({name: parameter.grad.clone() for name, parameter in learner.parameters.items()})

    learner.optimizer.register_step_pre_hook(keep)
    learner.update(batch)
    return seen


def assert_close(found, expected, tolerance):
    for name, gradient in expected.items():
        assert (found[name] - gradient).norm() <= tolerance * gradient.norm() + 1e-14, name


def plain_logprobs(model, batch):
    """Padded on the right, by transformers' own eager attention and mask, every logit held."""
    spans = [batch.token_ids_M[batch.starts[b] : batch.starts[b + 1]] for b in range(len(batch.group_B))]
    rows = [np.concatenate([batch.prompts[group], span]) for group, span in zip(batch.group_B, spans, strict=True)]
    longest = max(map(len, rows))
    ids = torch.tensor(np.array([np.pad(row, (0, longest - len(row))) for row in rows]))
    mask = torch.tensor(np.array([np.arange(longest) < len(row) for row in rows])).long()
    logprobs = (model(ids, attention_mask=mask).logits / TEMPERATURE).log_softmax(-1)
    return [
        logprobs[b, len(row) - len(span) - 1 : len(row) - 1].gather(1, torch.tensor(span)[:, None])[:, 0]
        for b, (row, span) in enumerate(zip(rows, spans, strict=True))
    ]


def plain_gradient(model, reference, batch, kl):
    """GRPO's loss as the paper writes it: a mean over responses of means over their sampled tokens."""
    with torch.no_grad():
        references = plain_logprobs(reference, batch)
    total = 0.0
    for b, (logprobs, reference_logprobs) in enumerate(zip(plain_logprobs(model, batch), references, strict=True)):
        tokens = slice(batch.starts[b], batch.starts[b + 1])
        sampled = torch.tensor(batch.weights_M[tokens] > 0)
        advantage = float(batch.advantages_M[batch.starts[b]])
        ratio = (logprobs - torch.tensor(batch.old_logprobs_M[tokens])).exp()[sampled]
        gain = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
        log_ratio = (reference_logprobs - logprobs)[sampled]
        total = total - (gain - kl * (log_ratio.exp() - log_ratio - 1)).mean()
    (total / len(batch.group_B)).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("micro_batch_tokens", [1, 40, 16384])
def test_gradient_equals_a_padded_plain_reference(make_model, batch, micro_batch_tokens, float64_throughout):
    """In float64; the responses hold the pad token, whose embedding `padding_idx` would leave without a gradient."""
    plain = [make_model(seed, attention="eager", pad=None, dtype=torch.float64) for seed in (0, 1)]
    expected = plain_gradient(*plain, batch, kl=0.1)
    model, reference = (make_model(seed, dtype=torch.float64) for seed in (0, 1))
    learner = make_learner(model, reference, micro_batch_tokens=micro_batch_tokens)
    [found] = gradients_of(learner, batch)
    assert expected["model.embed_tokens.weight"][0].norm() > 1e-3
    assert_close(found, expected, 1e-6)


def test_skipping_dead_groups_changes_no_gradient(make_model, batch, float64_throughout):
    plain = [make_model(0, attention="eager", pad=None, dtype=torch.float64) for _ in range(2)]
    expected = plain_gradient(*plain, batch, kl=0.0)
    learner = make_learner(make_model(0, dtype=torch.float64), kl=0.0)
    [found] = gradients_of(learner, batch)
    assert_close(found, expected, 1e-6)


def test_dead_groups_are_not_computed_without_kl_and_are_with_it(make_model, batch):
    dead_M = np.repeat(batch.group_B == 1, np.diff(batch.starts))
    without = make_learner(make_model(), kl=0.0).update(batch)
    assert (np.isnan(without.learner_logprobs_M) == dead_M).all()
    assert without.reference_logprobs_M is None and "kl" not in without.metrics
    report = make_learner(make_model(), make_model()).update(batch)
    assert np.isfinite(report.learner_logprobs_M).all() and np.isfinite(report.reference_logprobs_M).all()


def test_the_mean_of_the_minibatches_gradients_is_the_batchs(make_model, batch, float64_throughout):
    [whole] = gradients_of(make_learner(make_model(dtype=torch.float64), kl=0.0), batch)
    still = make_learner(make_model(dtype=torch.float64), kl=0.0, minibatches=3, learning_rate=1e-300)
    parts = gradients_of(still, batch)
    assert len(parts) == 3
    assert_close({name: sum(part[name] for part in parts) / 3 for name in whole}, whole, 1e-9)


def on_policy(batch, logprobs_M):
    return dataclasses.replace(batch, old_logprobs_M=logprobs_M, drawn_logprobs_M=logprobs_M)


def test_ratio_is_one_at_the_first_update_and_the_learners_column_is_the_forward_pass(make_model, batch):
    model = make_model()
    with torch.no_grad():
        plain = torch.cat(plain_logprobs(make_model(attention="eager"), batch)).numpy()
    first = make_learner(model, make_model()).update(batch)
    np.testing.assert_allclose(first.learner_logprobs_M, plain, atol=1e-5)
    again = make_learner(make_model(), make_model()).update(on_policy(batch, first.learner_logprobs_M))
    assert again.metrics["ratio/max"] == 1.0
    assert again.metrics["sampling/sampling_logp_difference/max"] == 0.0
    assert again.metrics["clip_ratio/region_mean"] == 0.0 and not again.clipped_M.any()
    assert again.metrics["kl"] == pytest.approx(0.0, abs=1e-6)


def test_metrics_by_hand(make_model, batch):
    report = make_learner(make_model(), make_model(1)).update(batch)
    sampled = batch.weights_M > 0
    ratio = np.exp(report.learner_logprobs_M - batch.old_logprobs_M)[sampled]
    advantages = batch.advantages_M[sampled]
    low, high = (ratio < 0.8) & (advantages < 0), (ratio > 1.2) & (advantages > 0)
    log_ratio = (report.reference_logprobs_M - report.learner_logprobs_M)[sampled]
    divergence = np.exp(log_ratio) - log_ratio - 1
    metrics = report.metrics
    assert metrics["clip_ratio/low_mean"] == pytest.approx(low.mean())
    assert metrics["clip_ratio/high_mean"] == pytest.approx(high.mean())
    assert metrics["clip_ratio/region_mean"] == pytest.approx((low | high).mean())
    assert (report.clipped_M[sampled] == (low | high)).all()
    assert metrics["ratio/max"] == pytest.approx(ratio.max(), rel=1e-5)
    assert metrics["kl"] == pytest.approx(divergence.mean(), rel=1e-4)
    assert metrics["entropy"] == pytest.approx(report.entropies_M[sampled].mean(), rel=1e-5)
    assert metrics["sampling/sampling_logp_difference/mean"] == pytest.approx(
        np.abs(report.learner_logprobs_M - batch.old_logprobs_M)[sampled].mean(), rel=1e-5
    )
    gain = np.minimum(ratio * advantages, ratio.clip(0.8, 1.2) * advantages)
    loss = (batch.weights_M[sampled] * (0.1 * divergence - gain)).sum()
    assert metrics["loss"] == pytest.approx(loss, rel=1e-3, abs=1e-6)
    assert metrics["learning_rate"] == pytest.approx(3e-4 / 5)
    assert metrics["num_tokens"] == len(batch.token_ids_M) and metrics["skipped_updates"] == 0


def test_change_is_measured_on_the_first_live_groups(make_model, batch):
    model = make_model()
    report = make_learner(model, kl=0.0, learning_rate=1e-3).update(batch)
    with torch.no_grad():
        after, before = (
            torch.cat(plain_logprobs(make_model(attention="eager") if fresh else model, batch)).numpy()
            for fresh in (False, True)
        )
    traced_M = np.repeat(batch.group_B == 0, np.diff(batch.starts))
    assert (np.isfinite(report.change_M) == traced_M).all()
    np.testing.assert_allclose(report.change_M[traced_M], (after - before)[traced_M], atol=1e-5)
    gain = (report.change_M * batch.advantages_M * batch.weights_M)[traced_M].sum()
    assert gain > 0, "the update went against the advantages"


def test_before_is_before_any_update_of_the_batch(make_model, batch):
    settings = {"kl": 0.0, "minibatches": 3, "epochs": 2, "traced_groups": 2, "learning_rate": 1e-3}
    model = make_model()
    report = make_learner(model, **settings).update(batch)
    with torch.no_grad():
        after = torch.cat(plain_logprobs(model, batch)).numpy()
        before = torch.cat(plain_logprobs(make_model(attention="eager"), batch)).numpy()
    traced_M = np.isfinite(report.change_M)
    assert traced_M.sum() == sum(np.diff(batch.starts)[batch.group_B != 1])
    np.testing.assert_allclose(report.change_M[traced_M], (after - before)[traced_M], atol=1e-5)


def test_weights_share_the_models_tensors(make_model, batch):
    learner = make_learner(make_model(), kl=0.0)
    weights = learner.weights
    assert weights.version == 0 and "lm_head.weight" in weights.tensors
    before = weights.tensors["model.norm.weight"].clone()
    learner.update(batch)
    assert learner.weights.version == 1
    assert not torch.equal(weights.tensors["model.norm.weight"], before)


def batches(make_groups, count):
    draw = np.random.default_rng(5)
    return [assemble(make_groups(seed), draw.normal(size=(3, 4))) for seed in range(count)]


@pytest.mark.parametrize("stop", [0, 2])
def test_restored_it_goes_on_bit_for_bit(make_model, make_groups, tmp_path, stop):
    every = batches(make_groups, 5)
    settings = {"minibatches": 3, "epochs": 2, "weight_decay": 0.01, "max_grad_norm": 0.5}
    through = make_learner(make_model(), make_model(), **settings)
    straight = [through.update(batch).metrics for batch in every]

    first = make_learner(make_model(), make_model(), **settings)
    for batch in every[:stop]:
        first.update(batch)
    first.save(tmp_path)
    second = make_learner(make_model(3), make_model(), **settings)
    second.update(every[3])  # must leave nothing behind
    second.restore(tmp_path)
    assert [second.update(batch).metrics for batch in every[stop:]] == straight[stop:]
    for name, parameter in through.parameters.items():
        assert torch.equal(parameter, second.parameters[name]), name


@pytest.mark.fault("S9")
def test_a_checkpoint_is_safetensors_and_json_only(make_model, batch, tmp_path):
    learner = make_learner(make_model(), kl=0.0)
    learner.update(batch)
    learner.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors", ".json"}


def test_another_models_checkpoint_is_refused(make_model, tmp_path):
    make_learner(make_model(), kl=0.0).save(tmp_path)
    with pytest.raises(ValueError, match="holds another model"):
        make_learner(make_model(layers=1), kl=0.0).restore(tmp_path)


def test_another_models_optimizer_is_refused(make_model, batch, tmp_path):
    learner = make_learner(make_model(), kl=0.0)
    learner.update(batch)
    save_optimizer(tmp_path / "state.safetensors", learner.optimizer, learner.parameters)
    fewer = dict(list(learner.parameters.items())[1:])
    with pytest.raises(ValueError, match="holds the state of another model"):
        load_optimizer(tmp_path / "state.safetensors", learner.optimizer, fewer)


@pytest.mark.fault("F14")
def test_an_update_that_is_not_finite_is_skipped_and_the_third_halts_and_names_the_response(make_model, batch):
    poisoned_M = batch.advantages_M.copy()
    poisoned_M[batch.starts[9]] = np.nan  # the second response of the third group
    poisoned = dataclasses.replace(batch, advantages_M=poisoned_M)
    learner = make_learner(make_model(), kl=0.0)
    learner.update(batch)
    before = {name: parameter.clone() for name, parameter in learner.parameters.items()}
    assert learner.update(poisoned).metrics["skipped_updates"] == 1
    assert learner.update(poisoned).metrics["skipped_updates"] == 2
    assert all(torch.equal(parameter, before[name]) for name, parameter in learner.parameters.items())
    learner.guard.require_hope()
    assert learner.update(poisoned).metrics["skipped_updates"] == 3
    with pytest.raises(FloatingPointError, match=r"3 batches in a row .* response 2 to problem 3 of this step"):
        learner.guard.require_hope()


def test_a_batch_of_dead_groups_computes_nothing_and_is_an_update_like_any_other(make_model, batch):
    dead = dataclasses.replace(batch, advantages_M=np.zeros_like(batch.advantages_M))
    learner = make_learner(make_model(), kl=0.0)
    report = learner.update(dead)
    assert np.isnan(report.learner_logprobs_M).all() and np.isnan(report.change_M).all()
    assert report.metrics["loss"] == 0 and report.metrics["grad_norm"] == 0
    assert learner.steps == 1


def test_kl_without_a_reference_is_refused(make_model):
    with pytest.raises(ValueError, match=r"set objective.kl=0"):
        make_learner(make_model(), None)


def test_two_processes_make_the_gradient_of_one(make_model, batch, float64_throughout):
    """In float64, for shares that cut a group in two; the pair recomputes its layers."""
    [alone] = gradients_of(make_learner(make_model(0, dtype=torch.float64), make_model(1, dtype=torch.float64)), batch)
    recomputed = make_model(0, dtype=torch.float64)
    checkpoint_layers(recomputed)
    pair = make_learner(recomputed, make_model(1, dtype=torch.float64), processes=2)
    try:
        [together] = gradients_of(pair, batch)
    finally:
        pair.close()
    assert_close(together, alone, 1e-6)


SCARCE = """
import dataclasses, resource, sys
import numpy as np, torch
from groupthink.model.loading import load_model
from groupthink.policy.learner import Learner
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.settings import PolicySettings
from groupthink.records import Batch

torch.set_num_threads(1)
lengths_B = np.full(48, 192)
M = lengths_B.sum()
draw = np.random.default_rng(0)
batch = Batch(
    prompts=(np.arange(4),), group_B=np.zeros(48, int), starts=np.concatenate([[0], np.cumsum(lengths_B)]),
    token_ids_M=draw.integers(0, 100, M), sampled_M=np.ones(M, bool), old_logprobs_M=np.full(M, -4.0, np.float32),
    drawn_logprobs_M=np.full(M, -4.0, np.float32),
    advantages_M=np.ones(M, np.float32), weights_M=np.full(M, 1 / M, np.float32),
)
for limited in (False, True):
    learner = Learner(
        load_model("nano"), None, PolicySettings(threads=1, micro_batch_tokens=1024 if not limited else 2**14),
        ObjectiveSettings(kl=0.0), total_steps=10, temperature=1.0,
    )
    if limited:
        held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + 64 * 2**20, resource.RLIM_INFINITY))
    norm = learner.update(batch).metrics["grad_norm"]
    draw = torch.Generator().manual_seed(0)  # AdamW's first moment is the gradient, times a constant; seen from afar
    means = [learner.optimizer.state[parameter]["exp_avg"] for parameter in learner.parameters.values()]
    seen = sum((mean * torch.randn(mean.shape, generator=draw)).sum().item() for mean in means)
    print(repr(norm), repr(seen), learner.micro_batch_tokens)
"""


@pytest.mark.fault("F26")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited through Linux's RLIMIT_AS")
def test_micro_batches_that_do_not_fit_are_halved_and_the_gradient_is_the_same():
    process = Warm(code, SCARCE)
    out, err = process.communicate()
    assert process.returncode == 0, err
    (norm, seen, whole), (same_norm, same_seen, halved) = (line.split() for line in out.splitlines())
    assert int(whole) == 1024 and 256 <= int(halved) < 2**14
    assert float(same_norm) == pytest.approx(float(norm), rel=1e-5)
    assert float(same_seen) == pytest.approx(float(seen), rel=1e-4)


def test_the_reference_takes_on_a_share_of_the_policy_every_so_many_updates(make_model, batch, tmp_path):
    moving = {"reference_every": 2, "reference_mixing": 0.25, "learning_rate": 1e-2, "warmup_steps": 0}
    learner = make_learner(make_model(), make_model(), **moving)
    held = {name: parameter.clone() for name, parameter in learner.reference.named_parameters()}
    learner.update(batch)
    assert all(torch.equal(parameter, held[name]) for name, parameter in learner.reference.named_parameters())
    learner.update(batch)
    policy = dict(learner.model.named_parameters())
    for name, parameter in learner.reference.named_parameters():
        torch.testing.assert_close(parameter, 0.75 * held[name] + 0.25 * policy[name])
        assert not torch.equal(parameter, held[name])

    learner.save(tmp_path)
    other = make_learner(make_model(), make_model(5), **moving)
    other.restore(tmp_path)
    first, second = learner.update(batch), other.update(batch)
    np.testing.assert_array_equal(first.reference_logprobs_M, second.reference_logprobs_M)


def test_processes_see_the_reference_move(make_model, batch):
    moving = {"reference_every": 1, "learning_rate": 1e-4, "warmup_steps": 0}
    kls = []
    for processes in (1, 2):
        learner = make_learner(make_model(), make_model(1), processes=processes, **moving)
        kls.append([learner.update(batch).metrics["kl"] for _ in range(2)])
        learner.close()
    assert kls[0][0] == pytest.approx(kls[1][0], rel=1e-4) and kls[0][0] > 1e-3
    assert kls[0][1] == kls[1][1] == 0  # by then the reference is the policy


def test_a_reference_too_coarse_to_follow_is_refused(make_model):
    models = (make_model(dtype=torch.bfloat16) for _ in range(2))
    with pytest.raises(ValueError, match=r"reference_mixing=0\.01 moves a reference in torch\.bfloat16"):
        make_learner(*models, reference_every=1, reference_mixing=0.01)


def test_a_steered_entropy_bonus_begins_after_an_update_and_moves_at_each(make_model, batch, tmp_path):
    steered = {"kl": 0.0, "entropy_step": 0.25, "entropy_target": 100.0, "minibatches": 3}
    learner = make_learner(make_model(), **steered)
    applied = [learner.update(batch).metrics["entropy_coef"] for _ in range(2)]
    assert applied == [0.0, 0.75] and learner.bonus == 1.0  # three updates a batch, and never above 1
    learner.save(tmp_path)
    other = make_learner(make_model(), **steered)
    other.restore(tmp_path)
    assert (other.bonus, other.entropy) == (learner.bonus, learner.entropy)
    too_much = make_learner(make_model(), **steered | {"entropy_target": 0.0, "entropy_bonus": 0.5})
    assert [too_much.update(batch).metrics["entropy_coef"] for _ in range(2)] == [0.0, 0.0] and too_much.bonus == 0.0


def test_a_surrogate_that_does_not_load_is_refused_before_anything_is_learned(make_model):
    with pytest.raises(ValueError, match="there is no file"):
        make_learner(make_model(), kl=0.0, surrogate="nowhere.py:loss")


def test_a_correction_weighs_by_the_law_that_drew(make_model, batch):
    """Narrowed by top-p, that law is not the learner's, though engine and learner agree."""
    learner = make_learner(make_model(), kl=0.0, correction="truncate_token", learning_rate=1e-300)
    agreed = on_policy(batch, learner.update(batch).learner_logprobs_M)
    narrowed = dataclasses.replace(agreed, drawn_logprobs_M=agreed.drawn_logprobs_M + np.float32(0.5))
    sampling = [learner.update(it).metrics["sampling/sampling_logp_difference/mean"] for it in (agreed, narrowed)]
    assert sampling == pytest.approx([0.0, 0.5], abs=1e-5)


def test_layers_are_recomputed_in_every_process(make_model, monkeypatch):
    told = []

    class Deaf:
        def __init__(self, n, serve, role):
            self.n = n

        def __len__(self):
            return self.n

        def send(self, i, message):
            told.append(message)

    monkeypatch.setattr("groupthink.policy.team.Workers", Deaf)
    model = make_model()
    make_learner(model, kl=0.0, processes=2)
    checkpoint_layers(model)
    make_learner(model, kl=0.0, processes=2)
    assert [description.recompute_layers for description in told] == [False, True]


def metrics_of(make_model, batch, **objective):
    """Of an update from old log-probabilities that put one good response above the clip, and one bad one below."""
    still = {"kl": 0.0, "learning_rate": 1e-300, **objective}
    whole = dataclasses.replace(batch, advantages_M=batch.advantages_M + 1)  # so that each token is computed
    old_M = make_learner(make_model(), **still).update(whole).learner_logprobs_M.copy()
    for response, by in ((0, -0.5), (1, 0.5)):
        old_M[batch.starts[response] : batch.starts[response + 1]] += by
    return make_learner(make_model(), **still).update(on_policy(batch, old_M)).metrics


@pytest.mark.parametrize("ratio", ["sequence", "sequence_token"])
def test_clipped_ratios_of_responses_are_counted_by_response(make_model, batch, ratio):
    metrics = metrics_of(make_model, batch, ratio=ratio)
    every = 12  # those of the second group, whose rewards are equal, among them
    assert metrics["clip_ratio/high_mean"] == metrics["clip_ratio/low_mean"] == 1 / every


def test_capped_weights_and_stale_negatives_are_counted_by_token(make_model, batch):
    above, below = (int(batch.sampled_M[batch.starts[b] : batch.starts[b + 1]].sum()) for b in (0, 1))
    every = int(batch.sampled_M.sum())
    metrics = metrics_of(make_model, batch, surrogate="cispo", stale_negatives=0.25)
    assert metrics["cispo_clip_ratio"] == above / every and metrics["stale_negatives"] == below / every
    assert not {"cispo_clip_ratio", "stale_negatives"} & set(metrics_of(make_model, batch))


def test_an_update_that_is_refused_does_not_steer_the_bonus_on_entropy(make_model, batch):
    learner = make_learner(make_model(), kl=0.0, entropy_bonus=0.25, entropy_step=0.01, entropy_target=100.0)
    learner.update(batch)
    held = learner.bonus, learner.entropy
    poisoned = dataclasses.replace(batch, advantages_M=np.full_like(batch.advantages_M, np.nan))
    learner.update(poisoned)
    assert (learner.bonus, learner.entropy) == held and learner.guard.skipped == 1
    learner.update(batch)
    assert learner.bonus > held[0]
