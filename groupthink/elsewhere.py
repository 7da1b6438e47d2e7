"""What TRL and verl call the settings of a recipe: an error about an unknown one says where it is to be found here.

The same as in docs/from-trl.md and docs/from-verl.md, which say what differs.
"""


def here(name: str) -> str | None:
    """What `name`, with or without the table that it was given in, is called here, in words; None: nobody's word.

    >>> here("rollout.num_generations")
    "rollout.group_size? (TRL's num_generations: see docs/from-trl.md)"
    >>> here("max_response_length") == here("data.max_response_length")
    True
    """
    last = name.rpartition(".")[2]
    for peer, known in (("TRL", TRL), ("verl", VERL)):
        for theirs, ours in known.items():
            short = theirs.rpartition(".")[2]
            meant = theirs == name or (short == last and short not in VAGUE)
            if meant and short != ours.rpartition(".")[2]:  # else it is but in the wrong table
                return f"{ours}? ({peer}'s {theirs}: see docs/from-{peer.lower()}.md)"
    return None


VAGUE = ("n", "path", "lr", "name")
"""Last parts of verl's names that might be meant for anything."""

TRL = {
    "num_generations": "rollout.group_size",
    "generation_batch_size": "task.problems_per_step",
    "steps_per_generation": "policy.minibatches",
    "num_iterations": "policy.epochs",
    "per_device_train_batch_size": "policy.micro_batch_tokens",
    "gradient_accumulation_steps": "policy.micro_batch_tokens",
    "max_steps": "steps",
    "num_train_epochs": "steps",
    "max_completion_length": "rollout.max_tokens",
    "num_generations_eval": "evaluate.samples",
    "eval_steps": "evaluate.every",
    "save_steps": "checkpoint_every",
    "chat_template_kwargs": "chat.thinking",
    "temperature": "rollout.temperature",
    "top_p": "rollout.top_p",
    "top_k": "rollout.top_k",
    "use_vllm": "rollout.engine",
    "vllm_mode": "vllm.own_process",
    "vllm_gpu_memory_utilization": "vllm.memory_share",
    "vllm_tensor_parallel_size": "vllm.tensor_parallel",
    "vllm_max_model_length": "vllm.context",
    "vllm_importance_sampling_correction": "objective.correction",
    "vllm_importance_sampling_mode": "objective.correction",
    "vllm_importance_sampling_clip_max": "objective.correction_high",
    "vllm_importance_sampling_clip_min": "objective.correction_low",
    "loss_type": "objective.surrogate, objective.reduction",
    "importance_sampling_level": "objective.ratio",
    "epsilon": "objective.clip_low",
    "epsilon_high": "objective.clip_high",
    "delta": "objective.ceiling",
    "beta": "objective.kl",
    "use_bias_correction_kl": "objective.kl_estimator",
    "sync_ref_model": "objective.reference_every",
    "ref_model_sync_steps": "objective.reference_every",
    "ref_model_mixup_alpha": "objective.reference_mixing",
    "scale_rewards": "advantage.estimator",
    "multi_objective_aggregation": "advantage.estimator",
    "mask_truncated_completions": "objective.overlong",
    "off_policy_mask_threshold": "objective.stale_negatives",
    "top_entropy_quantile": "objective.focus, objective.focus_share",
    "entropy_coef": "objective.entropy_bonus",
    "use_adaptive_entropy": "objective.entropy_step",
    "entropy_coef_delta": "objective.entropy_step",
    "entropy_target": "objective.entropy_target",
    "sapo_temperature_pos": "objective.sapo_positive",
    "sapo_temperature_neg": "objective.sapo_negative",
    "vespo_k_pos": "objective.vespo_k_positive",
    "vespo_k_neg": "objective.vespo_k_negative",
    "vespo_lambda_pos": "objective.vespo_lambda_positive",
    "vespo_lambda_neg": "objective.vespo_lambda_negative",
    "reward_weights": "reward.accuracy, reward.format, reward.brevity",
    "learning_rate": "policy.learning_rate",
    "lr_scheduler_type": "policy.schedule",
    "warmup_steps": "policy.warmup_steps",
    "optim": "policy.optimizer",
    "adam_beta1": "policy.beta1",
    "adam_beta2": "policy.beta2",
    "weight_decay": "policy.weight_decay",
    "max_grad_norm": "policy.max_grad_norm",
    "bf16": "policy.dtype",
    "gradient_checkpointing": "policy.recompute_layers",
}
VERL = {
    "data.train_batch_size": "task.problems_per_step",
    "actor_rollout_ref.rollout.n": "rollout.group_size",
    "actor_rollout_ref.actor.ppo_mini_batch_size": "policy.minibatches",
    "actor_rollout_ref.actor.ppo_epochs": "policy.epochs",
    "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu": "policy.micro_batch_tokens",
    "actor_rollout_ref.actor.ppo_max_token_len_per_gpu": "policy.micro_batch_tokens",
    "data.max_response_length": "rollout.max_tokens",
    "trainer.total_training_steps": "steps",
    "trainer.save_freq": "checkpoint_every",
    "trainer.test_freq": "evaluate.every",
    "algorithm.filter_groups.enable": "task.rounds",
    "algorithm.filter_groups.max_num_gen_batches": "task.rounds",
    "data.prompt_key": "task.prompt",
    "data.apply_chat_template_kwargs": "chat.thinking",
    "actor_rollout_ref.model.trust_remote_code": "trust_remote_code",
    "actor_rollout_ref.model.path": "model",
    "actor_rollout_ref.rollout.name": "rollout.engine",
    "actor_rollout_ref.rollout.temperature": "rollout.temperature",
    "actor_rollout_ref.rollout.top_p": "rollout.top_p",
    "actor_rollout_ref.rollout.top_k": "rollout.top_k",
    "actor_rollout_ref.rollout.gpu_memory_utilization": "vllm.memory_share",
    "actor_rollout_ref.rollout.tensor_model_parallel_size": "vllm.tensor_parallel",
    "actor_rollout_ref.rollout.max_num_seqs": "vllm.max_sequences",
    "actor_rollout_ref.rollout.max_model_len": "vllm.context",
    "algorithm.adv_estimator": "advantage.estimator",
    "algorithm.norm_adv_by_std_in_grpo": "advantage.estimator",
    "actor_rollout_ref.actor.policy_loss.loss_mode": "objective.surrogate, objective.ratio, objective.focus",
    "actor_rollout_ref.actor.clip_ratio_low": "objective.clip_low",
    "actor_rollout_ref.actor.clip_ratio_high": "objective.clip_high",
    "actor_rollout_ref.actor.clip_ratio_c": "objective.dual_clip",
    "actor_rollout_ref.actor.loss_agg_mode": "objective.reduction",
    "actor_rollout_ref.actor.use_kl_loss": "objective.kl_place",
    "algorithm.use_kl_in_reward": "objective.kl_place",
    "actor_rollout_ref.actor.kl_loss_coef": "objective.kl",
    "algorithm.kl_ctrl.kl_coef": "objective.kl",
    "actor_rollout_ref.actor.kl_loss_type": "objective.kl_estimator",
    "algorithm.kl_penalty": "objective.kl_estimator",
    "actor_rollout_ref.actor.entropy_coeff": "objective.entropy_bonus",
    "actor_rollout_ref.actor.policy_loss.clip_cov_ratio": "objective.focus_share",
    "actor_rollout_ref.actor.policy_loss.kl_cov_ratio": "objective.focus_share",
    "actor_rollout_ref.actor.policy_loss.clip_cov_lb": "objective.focus_low",
    "actor_rollout_ref.actor.policy_loss.clip_cov_ub": "objective.focus_high",
    "actor_rollout_ref.actor.policy_loss.ppo_kl_coef": "objective.focus_kl",
    "actor_rollout_ref.actor.optim.lr": "policy.learning_rate",
    "actor_rollout_ref.actor.optim.lr_warmup_steps": "policy.warmup_steps",
    "actor_rollout_ref.actor.optim.lr_scheduler_type": "policy.schedule",
    "actor_rollout_ref.actor.optim.warmup_style": "policy.schedule",
    "actor_rollout_ref.actor.optim.min_lr_ratio": "policy.final_share",
    "actor_rollout_ref.actor.optim.weight_decay": "policy.weight_decay",
    "actor_rollout_ref.actor.grad_clip": "policy.max_grad_norm",
    "actor_rollout_ref.model.enable_gradient_checkpointing": "policy.recompute_layers",
    "actor_rollout_ref.model.lora_rank": "lora.rank",
    "actor_rollout_ref.model.lora_alpha": "lora.alpha",
    "actor_rollout_ref.model.target_modules": "lora.targets",
}
