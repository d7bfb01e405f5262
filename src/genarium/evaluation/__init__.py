"""The referee: scores as pure functions on tensors, and an evaluator for any model."""
