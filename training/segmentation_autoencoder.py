"""Two numbers that stand for a customer, learned by a small network: a place to seek segments in.

Fitting needs PyTorch (the extra `torch`, or AWS's PyTorch image). Fitted, the encoder is two matrix products that need
nothing but NumPy: a segmentation over codes serves without PyTorch.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

HIDDEN, CODE = 16, 2
MISSING = "An autoencoder needs PyTorch: pip install 'sagemaker-mlops-template[torch]', or use AWS's PyTorch image."


class Autoencoder(TransformerMixin, BaseEstimator):
    """columns → 16 → 2 → 16 → columns with tanh between, fitted to give scaled columns back (Hinton and Salakhutdinov
    2006). Its code is scaled to a deviation of 1.
    """

    def __init__(self, epochs: int = 400, seed: int = 0) -> None:
        self.epochs = epochs
        self.seed = seed

    def fit(self, scaled: np.ndarray, y: object = None) -> Autoencoder:
        """Raises ImportError naming the extra."""
        try:
            import torch
        except ImportError as error:
            raise ImportError(MISSING) from error
        torch.manual_seed(self.seed)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # of so few columns more wait for each other more than they compute
        layers = torch.nn.Sequential(
            *[torch.nn.Linear(scaled.shape[1], HIDDEN), torch.nn.Tanh(), torch.nn.Linear(HIDDEN, CODE)],
            *[torch.nn.Linear(CODE, HIDDEN), torch.nn.Tanh(), torch.nn.Linear(HIDDEN, scaled.shape[1])],
        )
        given = torch.as_tensor(scaled, dtype=torch.float32)
        optimiser = torch.optim.Adam(layers.parameters(), lr=0.01)
        for _ in range(self.epochs):
            optimiser.zero_grad()
            torch.nn.functional.mse_loss(layers(given), given).backward()
            optimiser.step()
        torch.set_num_threads(threads)
        self.weights_ = {name: value.numpy().astype(float) for name, value in layers.state_dict().items()}
        self.spread_ = np.maximum(self.code(scaled).std(axis=0), 1e-12)
        return self

    def code(self, scaled: np.ndarray) -> np.ndarray:
        return self._layer(2, np.tanh(self._layer(0, scaled)))

    def transform(self, scaled: np.ndarray) -> np.ndarray:
        """Shape (rows, 2)."""
        return self.code(scaled) / self.spread_

    def inverse_transform(self, codes: np.ndarray) -> np.ndarray:
        return self._layer(5, np.tanh(self._layer(3, codes * self.spread_)))

    def _layer(self, number: int, values: np.ndarray) -> np.ndarray:
        return np.asarray(values @ self.weights_[f"{number}.weight"].T + self.weights_[f"{number}.bias"])
