"""The reference's network, learning rate and optimizer, in plain PyTorch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from transformers import BertModel

from benchmarks.command_line import InputError

OPTIMIZERS = ("adamax", "adamw")
_DROPOUT = 0.1
_HEAD_DEVIATION = 0.02


def load_encoder(model: Path) -> BertModel:
    """Returns the encoder of a Hugging Face folder, with its pooler and dropout 0.1.

    Raises:
        InputError: The folder holds no BERT with the exact gelu.
    """
    config = model / "config.json"
    if not config.is_file():
        raise InputError(f"{model}: no config.json; a Hugging Face folder of a BERT is accepted")
    settings = json.loads(config.read_text())
    if settings.get("model_type") != "bert" or settings.get("hidden_act") != "gelu":
        raise InputError(
            f'{config}: takes model_type "bert" and hidden_act "gelu", '
            f"{settings.get('model_type')!r} and {settings.get('hidden_act')!r} given"
        )
    return BertModel.from_pretrained(
        model,
        local_files_only=True,
        hidden_dropout_prob=_DROPOUT,
        attention_probs_dropout_prob=_DROPOUT,
    )


class MultiTaskNetwork(torch.nn.Module):
    """A shared encoder with a linear head on the pooled output for each task.

    Args:
        encoder: The pre-trained encoder.
        num_outputs: Width of each task's head.
    """

    def __init__(self, encoder: BertModel, num_outputs: Mapping[str, int]) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = torch.nn.Dropout(_DROPOUT)
        width = encoder.config.hidden_size
        self.heads = torch.nn.ModuleDict({name: torch.nn.Linear(width, size) for name, size in num_outputs.items()})
        for head in self.heads.values():
            limit = 2 * _HEAD_DEVIATION
            torch.nn.init.trunc_normal_(head.weight, std=_HEAD_DEVIATION, a=-limit, b=limit)
            torch.nn.init.zeros_(head.bias)

    def forward(self, task: str, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Returns one task's logits [batch, num_outputs]."""
        return self.heads[task](self.dropout(self.encoder(**inputs).pooler_output))


def task_loss(logits: torch.Tensor, gold: torch.Tensor) -> torch.Tensor:
    """Returns the batch's mean cross-entropy, or squared error where the gold is scores."""
    if gold.is_floating_point():
        return torch.nn.functional.mse_loss(logits[:, 0], gold)
    return torch.nn.functional.cross_entropy(logits, gold)


def learning_rate(peak: float, step: int, total_steps: int, warmup_steps: int) -> float:
    """Returns peak * min((n + 1) / w, (N - n) / (N - w)) of step n, counted from 0."""
    rise = (step + 1) / warmup_steps if warmup_steps else 1.0
    return peak * min(rise, (total_steps - step) / (total_steps - warmup_steps), 1.0)


def build_optimizer(name: str, network: torch.nn.Module, epsilon: float | None) -> torch.optim.Optimizer:
    """Returns the optimizer, having given every parameter a gradient of zeros.

    With the zeros, and with gradients zeroed instead of dropped after each step, the heads of tasks other
    than the batch's see gradients of zero and keep moving by their momentum, as in the product.

    Args:
        name: "adamax" or "adamw" (weight decay 0.01 that spares LayerNorm and biases).
        network: What is trained.
        epsilon: Added to denominators; None for the product's: 1e-7 of Adamax, 1e-6 of AdamW.
    """
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    if name == "adamax":
        return torch.optim.Adamax(network.parameters(), betas=(0.9, 0.999), eps=epsilon or 1e-7)
    # BERT's parameters of one axis are the biases and LayerNorm's.
    groups = [
        {"params": [parameter for parameter in network.parameters() if parameter.ndim > 1], "weight_decay": 0.01},
        {"params": [parameter for parameter in network.parameters() if parameter.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=epsilon or 1e-6)
