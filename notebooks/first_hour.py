# %% [markdown]
# # A first hour with Genarium
#
# A *generative model* learns from pictures how to make new ones: it is trained on draws of a
# distribution $p(x)$ and gives more draws of nearly the same. Here two models of different
# families learn handwritten digits. You look at what they make, walk between pictures, and let
# one referee score both.
#
# Nothing is downloaded: the digits are in the package. Run the cells from top to bottom.

# %% tags=["install"]
# What is there already is kept. Until Genarium is in the package index, SOURCE is where it
# comes from: "git+https://HOST/OWNER/genarium", or a wheel that you uploaded. The second line
# takes the PyTorch for CPUs; leave it out on a machine of your own with a GPU.
SOURCE = "genarium"
# %pip install -q "torch>=2.10" --index-url https://download.pytorch.org/whl/cpu
# %pip install -q "{SOURCE}"

# %%
import genarium

# %% [markdown]
# What costs time stands in one cell. Larger numbers, better pictures.

# %% tags=["parameters"] quick={"vae_steps": 3, "gan_steps": 2, "n": 40, "metrics": "fid"}
vae_steps = 600  # of training the VAE
gan_steps = 800  # of training the GAN
n = 500  # pictures that are scored
metrics = "fid,precision,recall,recognised,copied"  # the scores; None for all

# %% [markdown]
# ## 1. The data
#
# 14,000 digits of MNIST, 28×28 pixels, in ten classes: 12,000 to train on, and pictures that no
# model ever sees, to judge by.

# %%
genarium.show("digits", size=16, n=60)

# %% [markdown]
# ## 2. A first model
#
# A **variational autoencoder** (VAE) writes each picture $x$ as a short code $z$ (here 8 numbers)
# and learns to draw the picture again from it. The codes are kept near $\mathcal{N}(0, I)$, so
# that a *new* code, drawn from there, gives a new picture. Its training makes this bound as large
# as it can:
#
# $$\ln p(x) \;\ge\; \mathbb{E}_{q(z|x)}\big[\ln p(x|z)\big]
# - \mathrm{KL}\big(q(z|x)\,\|\,p(z)\big)$$

# %%
data = {"data": "digits", "size": 16}
vae = genarium.train("vae", latent=8, steps=vae_steps, schedule="cosine", **data)
vae

# %% [markdown]
# `train` gives back a *run*: the trained model and its folder, which holds the weights, all
# settings, the log and pictures of the training. New pictures, the same for the same seed:

# %%
genarium.sample(vae, n=64, seed=0)

# %% [markdown]
# What the code keeps of a picture: each original (left) beside what was drawn from its code. Blur
# is what eight numbers could not keep.

# %%
genarium.reconstruct(vae, n=32)

# %% [markdown]
# Between two codes lie codes whose pictures are in between. Each row starts at one test picture
# and ends at another:

# %%
genarium.interpolate(vae, start="test:0-4", end="test:5-9", steps=10)

# %% [markdown]
# ## 3. A model of another family
#
# A **generative adversarial network** (GAN) has no code for a given picture and no density. Two
# networks play against each other: the generator $G$ makes pictures of noise, the discriminator
# $D$ says which are real:
#
# $$\min_G \max_D \;\; \mathbb{E}_x[\ln D(x)] + \mathbb{E}_z[\ln(1 - D(G(z)))]$$
#
# The settings below are small networks that learn quickly on two cores.

# %%
small = {"architecture": "dcgan", "width": 16, "latent": 16, "batch": 64, "lr": 2e-3, "beta1": 0.0}
gan = genarium.train(
    "dcgan", steps=gan_steps, schedule="linear", ema=0.99, regularizers=[], **small, **data
)
genarium.sample(gan, n=64, seed=0)

# %% [markdown]
# ## 4. Which one is better?
#
# `evaluate` scores one run. FID compares the distribution of features of new pictures with that
# of test pictures: 0 would be the same, and lower is better. Brackets are 95 % intervals, and the
# column *reference* has the score of real pictures.

# %%
genarium.evaluate(vae, n=n, metrics=metrics)

# %% [markdown]
# `compare` puts several runs side by side and says who is better only where the interval of the
# difference allows it.

# %%
comparison = genarium.compare([vae, gan], n=n, metrics=metrics)
comparison

# %% [markdown]
# The same as one page with pictures, to keep or to send:

# %%
comparison.save("report.html")

# %% [markdown]
# ## 5. Later
#
# A run is its folder. Load it again at any time; what it gives is the same to the bit.

# %%
again = genarium.load(vae.path)
again.encode("test:0-3").shape  # four pictures, eight numbers each

# %% [markdown]
# Every family that is there:

# %%
genarium.list_models()

# %% [markdown]
# ## Exercises
#
# 1. Draw 64 pictures of the VAE with `temperature=0.7` and with `1.3`. *Expect* cleaner and more
#    alike digits, then odder ones: the code is drawn from $\mathcal{N}(0, T^2 I)$.
# 2. Train the VAE with `latent=2`, and look at its reconstructions. *Expect* blur, and 4s that
#    become 9s: two numbers cannot hold what eight can.
# 3. Train both for a quarter of the steps and compare again. *Expect* FID to rise for both, more
#    for the GAN: which model is better depends on the budget.
# 4. `genarium.nearest(gan, n=16)` shows the training picture that each sample is most like.
#    *Expect* near but not equal pictures: the model did not copy.
#
# Next: a notebook for each family, [your own images](own_images.ipynb), and [which model is
# better](which_is_better.ipynb).
