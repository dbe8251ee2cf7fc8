"""What a script imports from the toolkit of AWS's scikit-learn and XGBoost images."""
