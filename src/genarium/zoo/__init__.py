"""The zoo: small trained models by name (`zoo:vae-digits`), and the catalogue that describes them.

catalogue.json is written by tools/zoo.py, which trains, scores and packs every entry; command,
library and docs/zoo.md read that one file. An entry is a run folder without optimizer state. Some
lie in runs/ of this package, the others are fetched; each file is held against the SHA-256 that the
catalogue has of it.
"""
