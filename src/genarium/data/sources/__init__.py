"""One module a source; each is found by being here."""
