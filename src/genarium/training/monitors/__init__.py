"""A watch over a training: what is measured while it runs, and what is wrong with it.

    reading     the numbers measured at a step (`probes` measures, `measures` has the formulas)
    course      the readings of a run so far
    rule        a score of a course (`rules`; of samples `sample_rules`); a diagnosis is said where
                it passes a calibrated threshold
    notes       diagnoses as rows of metrics.jsonl, beside the readings that they rest on

Nothing in here names a model: what is asked of one goes through the contract. `diagnosis`, `course`
and `rules` need no torch, so notes can be read and made anew without it.
"""
