"""Metrics as pure functions on tensors; they import torch alone."""
