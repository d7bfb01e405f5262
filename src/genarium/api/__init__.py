"""One file a verb: the functions that command, notebook and studio call alike."""
