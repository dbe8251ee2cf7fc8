"""The member made by PyTorch (the extra `torch`, or AWS's PyTorch image); what it learnt serves by NumPy alone."""

from __future__ import annotations

import copy
from typing import Any

import fraud_imbalance
import numpy as np
from fraud_scores import Network, scale, scaler
from sklearn.metrics import average_precision_score

BATCH = 4096


def fit(
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    way: str,
    *,
    width: int,
    learning_rate: float,
    weight_decay: float,
    epochs: int,
    seed: int,
) -> Network:
    """Two hidden ReLU layers, the second half as wide; of all epochs the one with the best average precision on
    validation. `way` is one of `fraud_imbalance.WAYS`. Raises ImportError where there is no PyTorch.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "The member network needs PyTorch: install the extra torch (AWS's PyTorch image has it), "
            "or leave network out of Members."
        ) from error

    torch.manual_seed(seed)
    chosen = fraud_imbalance.chosen(train[1], way, seed)
    matrix, answers = train[0][chosen], train[1][chosen]
    center, spread = scaler(train[0])
    inputs = torch.tensor(scale(matrix, center, spread), dtype=torch.float32)
    truth = torch.tensor(answers, dtype=torch.float32)
    judged = torch.tensor(scale(validation[0], center, spread), dtype=torch.float32)
    layers = [torch.nn.Linear(inputs.shape[1], width), torch.nn.ReLU(), torch.nn.Linear(width, width // 2)]
    last = torch.nn.Linear(width // 2, 1)
    network = torch.nn.Sequential(*layers, torch.nn.ReLU(), last)
    share = float(answers.mean())
    with torch.no_grad():
        last.bias.fill_(0.0 if way == "weights" else float(np.log(share / (1 - share))))
    loss = losses(way, answers)
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay)
    steps = -(-len(inputs) // BATCH) * epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=max(steps, 2))
    best, state = -1.0, copy.deepcopy(network.state_dict())
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs)).split(BATCH):
            optimizer.zero_grad()
            loss(network(inputs[batch])[:, 0], truth[batch]).backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            score = float(average_precision_score(validation[1], network(judged)[:, 0].numpy()))
        if score > best:
            best, state = score, copy.deepcopy(network.state_dict())
    weights = {name: value.numpy() for name, value in state.items()}
    places = [name.removesuffix(".weight") for name in weights if name.endswith(".weight")]
    return Network(center, spread, tuple((weights[f"{each}.weight"], weights[f"{each}.bias"]) for each in places))


def losses(way: str, answers: np.ndarray) -> Any:
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    factor = torch.tensor(fraud_imbalance.balance(answers) if way == "weights" else 1.0)

    def loss(margins: Any, truth: Any) -> Any:
        each = binary_cross_entropy_with_logits(margins, truth, pos_weight=factor, reduction="none")
        if way == "focal":
            each = each * (1 - torch.exp(-each)) ** fraud_imbalance.FOCUS
        return each.mean()

    return loss
