"""What a script imports from the toolkit of AWS's PyTorch and Hugging Face images, and of their multi-model mode."""
