"""Tensors in, pictures out: grids, plots, points, maps."""
