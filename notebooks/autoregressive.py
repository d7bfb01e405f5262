# %% [markdown]
# # Autoregressive models
#
# Any distribution of many pixels is a product of distributions of one pixel each, given those
# before it:
#
# $$\ln p(x) = \sum_{i=1}^{D} \ln p(x_i \mid x_1, \dots, x_{i-1})$$
#
# A PixelCNN computes all $D$ factors in one pass of a convolutional network whose kernels are
# *masked*: no weight looks at the pixel itself or at one that comes later (van den Oord et al.
# 2016). The likelihood is exact. The price is sampling: pixel after pixel.

# %% tags=["install"]
# What is there already is kept. Until Genarium is in the package index, SOURCE is where it
# comes from: "git+https://HOST/OWNER/genarium", or a wheel that you uploaded. The second line
# takes the PyTorch for CPUs; leave it out on a machine of your own with a GPU.
SOURCE = "genarium"
# %pip install -q "torch>=2.10" --index-url https://download.pytorch.org/whl/cpu
# %pip install -q "{SOURCE}"

# %%
import genarium

# %% tags=["parameters"] quick={"steps": 2, "n": 8, "images": 10, "blocks": 1}
steps = 500  # of training
n = 64  # samples
images = 300  # whose likelihood is computed
blocks = 5  # residual blocks of the network

# %% [markdown]
# ## 1. Train one
#
# Black and white pixels (`levels=2`) are quick to learn. The class is given as well: $p(x \mid
# y)$.

# %%
settings = {"levels": 2, "conditional": True, "blocks": blocks, "dilation": 4, "batch": 16}
pixels = genarium.train(
    "pixelcnn",
    data="digits",
    size=16,
    steps=steps,
    schedule="cosine",
    clip=1.0,
    ema=0.99,
    **settings,
)

# %%
genarium.sample(pixels, n=n)

# %%
genarium.sample(pixels, n=n // 4, condition="3")

# %% [markdown]
# ## 2. Temperature
#
# Dividing the logits of each pixel by $T$ makes $p(x_i|\cdot)^{1/T}$: below 1 likely pixels
# become likelier, and pictures cleaner and more alike. At 1 it is the model itself.

# %%
genarium.sample(pixels, n=n, temperature=0.7)

# %%
genarium.sample(pixels, n=n, temperature=1.4)

# %% [markdown]
# ## 3. Exact likelihoods
#
# In bits per pixel: what a lossless compressor with this model inside would need. Without any
# model a black or white pixel costs 1 bit.

# %%
scores = genarium.score(pixels, f"test:0-{images - 1}")
bits = scores.bits_per_dim.mean().item()
print(f"{bits:.3f} bits a pixel, {bits * 256 / 8:.1f} bytes a picture")
scores

# %% [markdown]
# The picture shows the least likely test pictures (above) and the likeliest (below): many strokes
# are rare, a plain 1 is not. The likelihood judges *how surprising*, not *how beautiful*.
#
# The sum above really is a distribution: over all pictures it is 1. Here is the model's $\ln p$
# of real digits, of the same with their pixels shuffled, and of an empty picture:

# %%
import torch

real = pixels.dataset().test.images[:50]
shuffled = real.flatten(1)[:, torch.randperm(256, generator=torch.manual_seed(0))].view_as(real)
for name, some in (("real", real), ("shuffled", shuffled), ("empty", torch.zeros_like(real[:1]))):
    print(f"{name:9} {pixels.score(some).mean():9.1f} nats")

# %% [markdown]
# The empty picture is *likelier* than digits are, although the model never saw one and would
# hardly draw it: one picture of high density has little probability beside the many digits.
#
# ## 4. Completing pictures
#
# Given the upper half, the rest is drawn from the exact conditional distribution; each draw is
# another completion.

# %%
genarium.complete(pixels, "test:0-5", keep="top", draws=6)

# %% [markdown]
# ## 5. Compression
#
# The code length is no figure of speech: an entropy coder with the model's probabilities writes
# the pictures, and reads them back without an error.

# %%
from genarium.models.autoregressive.compression import compress, decompress

some, classes = real, pixels.dataset().test.labels[: len(real)]
written = compress(pixels.model, some, classes)
assert (decompress(pixels.model, written, classes) == pixels.model.quantize(some)).all()
print(f"{len(written) / len(some):.1f} bytes a picture; as raw bits {256 / 8:.0f}")

# %% [markdown]
# ## Exercises
#
# 1. Complete with `keep="left"`. *Expect* worse joins: the pixels right of the middle are drawn
#    row by row, and do not see the kept pixels further down.
# 2. Train with `net="gated"`. *Expect* a better likelihood a block at more seconds a step: the
#    plain masks leave a blind spot to the upper right.
# 3. Score the test pictures as another class: `genarium.score(pixels, "test:0-99",
#    condition="1")`. *Expect* lower values for all but ones. The class that gives the highest
#    $\ln p(x|y)$ is a classifier.
# 4. Train with `levels=16`. *Expect* more bits per pixel, which compare with no figure above:
#    they are of another kind of pixel.
