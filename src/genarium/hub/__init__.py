"""Runs on the Hugging Face Hub: addresses, what is sent, and how it is fetched and checked."""
