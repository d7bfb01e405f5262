"""Networks whose features scores compare."""
