"""Layers: what they may see, what they normalise with, where their gradients go."""

from __future__ import annotations

from faults.fault import of

AUTOREGRESSIVE = ("tests/nn/test_masked.py", "tests/models/test_autoregressive.py")

FAULTS = (
    *of(
        "models/autoregressive/masked.py",
        AUTOREGRESSIVE,
        (
            "mask: own colour",
            'centre = seen < seer if self.mask_kind == "A" else seen <= seer',
            "centre = seen <= seer",
            "mask A shows a pixel itself",
        ),
        (
            "mask: colours swapped",
            "seen, seer = self.in_groups[None, :], self.out_groups[:, None]",
            "seer, seen = self.in_groups[None, :], self.out_groups[:, None]",
            "blue before red",
        ),
        (
            "mask: right of the pixel",
            "elif column > 0:",
            "elif column > 1:",
            "the pixel on the right is seen",
        ),
    ),
    *of(
        "models/autoregressive/lstm2d.py",
        ("tests/nn/test_lstm2d.py",),
        (
            "lstm: gates",
            "o, f, i = torch.sigmoid(switches).split(hidden, dim=-1)",
            "o, i, f = torch.sigmoid(switches).split(hidden, dim=-1)",
            "input and forget gate swapped",
        ),
        (
            "lstm: mirror",
            "from_right = hidden[1].index_select(0, right.argsort()[: (height - 1) * width])",
            "from_right = hidden[1].index_select(0, left.argsort()[: (height - 1) * width])",
            "the scan from the right is not turned back",
        ),
        (
            "lstm: start of the cell",
            "self.start = nn.Parameter(torch.zeros(2, hidden))  # hidden state and cell",
            'self.register_buffer("start", torch.zeros(2, hidden))',
            "the state above the image is not learned",
        ),
    ),
    *of(
        "models/autoregressive/wavefront.py",
        ("tests/models/test_pixelcnn.py", "tests/models/test_autoregressive.py"),
        (
            "wavefront: lag",
            "lag = max(lag, -((newest - furthest) // -row))",
            "lag = max(lag, -((newest - furthest) // -row) - 1)",
            "a pixel is drawn before its neighbours",
        ),
        (
            "wavefront: colour before",
            "self._write(x, self.front.step, colour - 1)",
            "self._write(x, self.front.step, colour)",
            "the colour just drawn is written as the next one",
        ),
    ),
    *of(
        "models/autoregressive/fast/kernel.py",
        ("tests/models/test_fast.py",),
        (
            "compiled: cell",
            "put(past, o + j, get(past, i + j) / (one + forget) + content)",
            "put(past, o + j, get(past, i + j) / (one + into) + content)",
            "the cell is forgotten by the wrong gate",
        ),
        (
            "compiled: ring",
            "line = (r + records[q, at + ABOVE] + ring) % ring",
            "line = (r - records[q, at + ABOVE] + ring) % ring",
            "rows below are read for rows above",
        ),
    ),
    *of(
        "models/autoregressive/fast/lowering.py",
        ("tests/models/test_fast.py",),
        (
            "compiled: own row",
            "source.see(-piece.above, -piece.first, piece.last)",
            "source.see(-piece.above, -piece.first, 0)",
            "the last columns of a row see the first ones of the next",
        ),
    ),
    *of(
        "models/autoregressive/fast/levels.py",
        ("tests/models/test_fast.py",),
        (
            "compiled: edges",
            "return int(units + 0.5) + 2 * (level + 1)",
            "return int(units + 0.5) + 2 * level",
            "a level may cost nothing",
        ),
    ),
    *of(
        "nn/norm.py",
        ("tests/nn/test_norm.py",),
        (
            "batch norm: unbiased",
            "unbiased = variance * (count / (count - 1).clamp_min(1))",
            "unbiased = variance",
            "the running variance is biased",
        ),
        (
            "batch norm: moments",
            "total = all_reduce_sum(torch.cat([mean, variance + mean**2, mean.new_ones(1)]) "
            "* count)",
            "total = all_reduce_sum(torch.cat([mean, variance, mean.new_ones(1)]) * count)",
            "variances of processes without that of their means",
        ),
        (
            "all reduce: backward",
            "return all_reduce_sum(grad)",
            "return grad",
            "gradients of other processes are lost",
        ),
    ),
    *of(
        "models/gan/networks/virtual_batch_norm.py",
        ("tests/nn/test_gan_layers.py",),
        (
            "virtual batch norm: share",
            "share = 1 / (self.reference + 1)",
            "share = 1 / self.reference",
            "an image counts as one of the reference, not beside it",
        ),
        (
            "virtual batch norm: cross term",
            "+ share * (1 - share) * (own_mean - mean).square()",
            "+ share * (own_mean - mean).square()",
            "the variance between the means is too large",
        ),
        (
            "virtual batch norm: reference",
            "(reference - mean) * torch.rsqrt(variance + self.eps),",
            "(reference - mean) * torch.rsqrt(variance) + self.eps,",
            "eps outside of the root",
        ),
    ),
    *of(
        "models/gan/networks/minibatch.py",
        ("tests/nn/test_gan_layers.py",),
        (
            "minibatch: distance",
            "distance = (m[:, None] - everyone[None]).abs().sum(3)",
            "distance = (m[:, None] - everyone[None]).square().sum(3)",
            "squares, not the L1 distance",
        ),
        (
            "minibatch: itself",
            "return torch.exp(-distance).sum(1) - 1",
            "return torch.exp(-distance).sum(1)",
            "an image counts itself",
        ),
        (
            "minibatch: axis",
            "distance = (m[:, None] - everyone[None]).abs().sum(3)",
            "distance = (m[:, None] - everyone[None]).abs().sum(2)",
            "summed over kernels, not over their rows",
        ),
    ),
    *of(
        "models/translation/networks/reflection.py",
        ("tests/nn/test_reflection.py",),
        (
            "reflection: gradient of a rim",
            'y.reshape(-1, channels), starts, mode="sum")',
            'y.reshape(-1, channels), starts, mode="mean")',
            "a mirrored pixel's gradient is the mean of its copies",
        ),
    ),
    *of(
        "nn/patches.py",
        ("tests/nn/test_patches.py",),
        (
            "patches: rim of the transposed",
            "full[:, PADDING : PADDING + height, PADDING : PADDING + width].contiguous()",
            "full[:, :height, :width].contiguous()",
            "the padding is not cut away: shifted by a pixel",
        ),
        (
            "patches: phases",
            "table[down, right] = blocks[:, 1 - down, :, 1 - right]",
            "table[down, right] = blocks[:, down, :, right]",
            "the kernel's halves swapped",
        ),
        (
            "patches: gradient of the kernel",
            "_Kernel.apply(grad, y, ctx.stride, seen) if second else None,",
            "_Kernel.apply(grad, y, ctx.stride, seen) / 2 if second else None,",
            "half of the gradient of a transposed convolution's weights",
        ),
    ),
    *of(
        "nn/conv.py",
        ("tests/models/test_autoencoder.py",),
        (
            "upsample: cut",
            "return x[:, :, 1 : 1 + height, 1 : 1 + width]",
            "return x[:, :, :height, :width]",
            "shifted by a pixel",
        ),
    ),
    *of(
        "nn/strided.py",
        ("tests/nn/test_strided.py",),
        (
            "strided: phases",
            "bias.copy_(output.mean((1, 2)).repeat_interleave(4))",
            "bias.copy_(output.mean((1, 2)).repeat(4))",
            "channels begin at one another's mean",
        ),
        (
            "strided: the label",
            "x = x + self.beside(beside.to(x.dtype))[:, :, None, None]",
            "x = x + 0 * self.beside(beside.to(x.dtype))[:, :, None, None]",
            "the encoder does not see what stands beside",
        ),
    ),
    *of(
        "models/translation/networks/unet.py",
        ("tests/nn/test_unet_by_hand.py", "tests/nn/test_translators.py"),
        (
            "unet: dropout's scale",
            "x = x * ((draw(*x.shape[1:]) < KEEP) / KEEP).to(x.dtype)",
            "x = x * (draw(*x.shape[1:]) < KEEP).to(x.dtype)",
            "what is kept is not scaled up",
        ),
        (
            "unet: layers with dropout",
            "DROPPED = 3  # layers of the decoder with dropout",
            "DROPPED = 2  # layers of the decoder with dropout",
            "one layer less than in the paper",
        ),
        (
            "unet: norms",
            "normed = [0 < i < depth - 1 for i in range(depth)]",
            "normed = [0 <= i < depth - 1 for i in range(depth)]",
            "the first layer is normalised",
        ),
    ),
    *of(
        "models/text_to_image/encoders.py",
        ("tests/nn/test_text.py",),
        (
            "text: mean over the text",
            "mean = (states * inside[:, :, None]).sum(1) / inside.sum(1, keepdim=True)",
            "mean = (states * inside[:, :, None]).mean(1)",
            "the mean over padding too",
        ),
        (
            "text: weight of a word",
            "weights = [len(word) ** -0.5 for word in words for _ in word]",
            "weights = [1.0 for word in words for _ in word]",
            "long words weigh more",
        ),
    ),
    *of(
        "models/text_to_image/fusion.py",
        ("tests/nn/test_fusion.py",),
        (
            "places: scale",
            "return (3**0.5 * ((2 * steps + 1) / n - 1)).to(like)",
            "return ((2 * steps + 1) / n - 1).to(like)",
            "not of unit variance",
        ),
        (
            "modulated: axes",
            "offset = offset + across * u + down * v",
            "offset = offset + across * v + down * u",
            "across and down swapped",
        ),
    ),
)
