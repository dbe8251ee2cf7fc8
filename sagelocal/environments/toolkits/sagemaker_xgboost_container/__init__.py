"""What an inference script imports from AWS's XGBoost image."""
