"""AWS's wire: protocols, validation, errors and the operations behind them."""
