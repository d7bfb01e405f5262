"""The human study: people say of single pictures whether they are real or generated.

`create` draws the pictures and writes the study's folder, `server` shows them to participants on
a local page and keeps the answers, `report` turns the answers into error rates with intervals.

S. Zhou et al., "HYPE: A Benchmark for Human eYe Perceptual Evaluation of Generative Models", 2019.
"""
