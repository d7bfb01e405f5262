"""Which noise goes with which image: by chance, or so that the ways between them are short.

A straight path from each image to a noise of its own crosses others, and where ways cross the
velocity is an average: the learnt paths bend. Pairing the images of a batch with its noise so that
the summed squared distance is least (Pooladian et al. 2023; Tong et al. 2024, "OT-CFM") leaves
fewer crossings, and fewer steps of a solver are needed. Over all batches both images and noise stay
what they were; only who meets whom changes.

    N images of the global batch · B of this process · C channels · H, W pixels
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genarium.nn.norm import gather_rows


@torch.no_grad()
def optimal(images: Tensor, noise: Tensor, rows: slice) -> Tensor:
    """The noise [B,C,H,W] of this batch in the order that suits its images best.

    rows: this process's of the global batch, over which the pairs are sought.
    """
    x, e = (gather_rows(given.float()).flatten(1) for given in (images, noise))
    # |x - e|² up to what no pairing changes
    chosen = assignment((-(x @ e.T)).double().cpu().numpy())
    mine = torch.from_numpy(chosen).to(noise.device)[rows]
    return e[mine].view_as(noise).to(noise)


def assignment(cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """The column of each row, each used once, of least total cost; exact, O(N³).

    Shortest augmenting paths with potentials (Kuhn 1955; Jonker & Volgenant 1987): rows join one by
    one, each along the path by which the total grows least. cost: [N,N].
    """
    n = len(cost)
    row_of = np.full(n, -1)  # of each column
    u, v = np.zeros(n), np.zeros(n)  # potentials: cost - u - v >= 0, 0 on what is chosen
    for new in range(n):
        dearest = np.full(n, np.inf)  # the shortest way to each column that was found so far
        before = np.full(n, -1)  # the column before it on that way
        seen = np.zeros(n, bool)
        row, last, length = new, -1, 0.0
        while True:
            ways = length + cost[row] - u[row] - v
            shorter = ~seen & (ways < dearest)
            dearest[shorter], before[shorter] = ways[shorter], last
            last = int(np.where(seen, np.inf, dearest).argmin())
            length, seen[last] = float(dearest[last]), True
            if row_of[last] < 0:
                break
            row = int(row_of[last])
        reached = seen.copy()
        reached[last] = False
        u[row_of[reached]] += length - dearest[reached]
        v[reached] -= length - dearest[reached]
        u[new] += length
        while last >= 0:  # each column on the way gets the row of the column before it
            earlier = int(before[last])
            row_of[last] = new if earlier < 0 else row_of[earlier]
            last = earlier
    result = np.empty(n, np.int64)
    result[row_of] = np.arange(n)
    return result
