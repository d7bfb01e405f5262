# %% [markdown]
# # Autoencoders
#
# An autoencoder squeezes a picture through a bottleneck: an encoder $f$ makes a short code of it,
# a decoder $g$ draws the picture again. It learns by the error of the copy,
#
# $$\min_{f,g}\; \mathbb{E}_x \big\| x - g(f(x)) \big\|^2 .$$
#
# It learns *features*, and no distribution: nothing says which codes are likely, so it has no
# samples. Here you see what the code keeps, how noise at the input makes better features, and
# what "no density" means in practice.

# %% tags=["install"]
# What is there already is kept. Until Genarium is in the package index, SOURCE is where it
# comes from: "git+https://HOST/OWNER/genarium", or a wheel that you uploaded. The second line
# takes the PyTorch for CPUs; leave it out on a machine of your own with a GPU.
SOURCE = "genarium[features]"
# %pip install -q "torch>=2.10" --index-url https://download.pytorch.org/whl/cpu
# %pip install -q "{SOURCE}"

# %%
import genarium

# %% tags=["parameters"] quick={"steps": 3, "labels": 20, "n": 40}
steps = 300  # of each of three trainings
labels = 500  # labelled pictures for the classifiers on codes
n = 300  # pictures on the map

# %% [markdown]
# ## 1. How much does a code keep?
#
# Two bottlenecks, 2 and 32 numbers, the rest equal.

# %%
common = {"data": "digits", "size": 16, "steps": steps, "schedule": "cosine"}
narrow = genarium.train("autoencoder", latent=2, **common)
wide = genarium.train("autoencoder", latent=32, **common)

# %%
genarium.reconstruct(narrow, n=32)

# %%
genarium.reconstruct(wide, n=32)

# %% [markdown]
# The same as numbers. MSE is per pixel on [0, 1]; PSNR is the same in decibels, $-10 \log_{10}
# \mathrm{MSE}$.

# %%
genarium.compare([narrow, wide])

# %% [markdown]
# ## 2. The code is a map
#
# Test pictures, each at the place of its code: principal components on the left, t-SNE on the
# right. The frame's colour is the class. No label was used in training.

# %%
genarium.map(wide, n=n)

# %% [markdown]
# ## 3. Noise at the input
#
# A *denoising* autoencoder sees a damaged picture $\tilde x$ and must draw the clean one (Vincent
# et al. 2008):
#
# $$\min_{f,g}\; \mathbb{E}_{x,\,\tilde x} \big\| x - g(f(\tilde x)) \big\|^2 .$$
#
# Copying is no answer any more: it has to know what digits look like. Here 30 % of the pixels are
# set to black.

# %%
denoising = genarium.train("denoising-autoencoder", latent=32, **common)

# %% [markdown]
# Clean, damaged, and what the model makes of the damaged one:

# %%
genarium.denoise(denoising, n=12, noise="masking:0.5")

# %% [markdown]
# ## 4. Are the codes good features?
#
# A *probe* is a simple classifier on codes that stay as they are. Beside it the same classifier
# on raw pixels and on as many principal components, the best linear code there is.

# %%
genarium.probe(wide, labels=labels)

# %%
genarium.probe(denoising, labels=labels)

# %% [markdown]
# ## 5. It has no density
#
# A plain autoencoder says nothing about which codes are likely, so there is nothing to draw from.
# Genarium does not pretend:

# %%
try:
    genarium.sample(wide)
except genarium.UserError as error:
    print(error)

# %% [markdown]
# What happens if one draws codes anyway? Here from a Gaussian as wide as the codes of training
# pictures are:

# %%
import torch

codes = wide.encode("test:0-499")
drawn = codes.mean(0) + codes.std(0) * torch.randn(
    64, codes.shape[1], generator=torch.manual_seed(0)
)
genarium.show(wide.decode(drawn))

# %% [markdown]
# Strokes, but few digits: codes of digits fill only a part of that cloud. A [VAE](vae.ipynb)
# closes the gap.
#
# ## Exercises
#
# 1. Train `autoencoder` with `net="dense", layers=0, output="linear"` and 32 numbers. *Expect*
#    about the error of 32 principal components: without a non-linearity that is what it learns.
# 2. Probe `narrow`. *Expect* far less than with pixels: two numbers draw the picture, not the
#    class.
# 3. Denoise with `noise="gaussian:0.3"`, which the model never saw. *Expect* traces of the noise:
#    it learnt to undo the damage that it was shown.
# 4. `genarium.cluster(wide)`. *Expect* groups that are mostly one digit, and 4, 7 and 9 mixed.
