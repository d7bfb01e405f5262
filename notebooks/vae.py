# %% [markdown]
# # Variational autoencoders
#
# A VAE is an autoencoder with a distribution: a prior $p(z) = \mathcal{N}(0, I)$ of codes and a
# decoder $p(x|z)$. The density $p(x) = \int p(x|z)\,p(z)\,dz$ cannot be computed, but bounded.
# With an encoder $q(z|x)$ (Kingma & Welling 2014)
#
# $$\ln p(x) \;\ge\; \mathbb{E}_{q(z|x)}[\ln p(x|z)]
# - \mathrm{KL}\big(q(z|x)\,\|\,p(z)\big) = \mathrm{ELBO}(x),$$
#
# and both networks are trained on the right-hand side: the first term is minus the *distortion*,
# the second the *rate*. The gradient passes the draw because $z = \mu(x) + \sigma(x)\,\epsilon$
# with $\epsilon \sim \mathcal{N}(0, I)$.

# %% tags=["install"]
# What is there already is kept. Until Genarium is in the package index, SOURCE is where it
# comes from: "git+https://HOST/OWNER/genarium", or a wheel that you uploaded. The second line
# takes the PyTorch for CPUs; leave it out on a machine of your own with a GPU.
SOURCE = "genarium"
# %pip install -q "torch>=2.10" --index-url https://download.pytorch.org/whl/cpu
# %pip install -q "{SOURCE}"

# %%
import genarium

# %% tags=["parameters"] quick={"steps": 3, "side": 4, "n": 64, "k": 2, "images": 4}
steps = 350  # of each of four trainings
side = 14  # pictures a side of the map of codes
n = 500  # pictures that are scored
k = 100  # importance samples
images = 60  # whose likelihood is computed by them

# %% [markdown]
# ## 1. A plane of pictures
#
# With a code of two numbers the whole model fits on one picture: each place of the plane is
# decoded.

# %%
common = {"data": "digits", "size": 16, "steps": steps, "schedule": "cosine"}
plane = genarium.train("vae", net="dense", latent=2, prior="fixed", **common)
genarium.manifold(plane, side=side)

# %% [markdown]
# Classes lie next to each other without a gap, since the rate draws all codes towards the middle.
# Neighbours blend: that is where samples are blurred.
#
# ## 2. More numbers, and what they cost
#
# The rate is a price in nats for each number that the code uses. `beta` is its weight: 1 trains
# the bound, more makes codes simpler and pictures blurrier, less the other way round (Higgins et
# al. 2017).

# %%
settings = {"latent": 16, "prior": "fixed", **common}
vae = genarium.train("vae", **settings)
strict = genarium.train("vae", beta=4.0, **settings)

# %%
genarium.sample(vae, n=64)

# %%
genarium.reconstruct(vae, n=16)

# %%
genarium.reconstruct(strict, n=16)

# %%
genarium.compare([vae, strict], n=n, metrics="fid,precision,recall")

# %% [markdown]
# *collapsed latents* counts numbers of the code that carry nothing (their rate is below .01
# nats): the strict model gave up some. Move each number of one code, and see which do something:

# %%
genarium.traverse(strict, steps=9)

# %% [markdown]
# ## 3. How far is the bound from the likelihood?
#
# With $k$ draws of $q$ the bound is tighter (Burda, Grosse & Salakhutdinov 2016), and reaches
# $\ln p(x)$ as $k$ grows:
#
# $$\ln p(x) \;\ge\; \mathbb{E}\Big[\ln \frac1k \sum_{i=1}^{k} \frac{p(x, z_i)}{q(z_i|x)}\Big]$$

# %%
test = f"test:0-{images - 1}"
elbo = genarium.score(vae, test, k=1).nats.mean().item()
tighter = genarium.score(vae, test, k=k).nats.mean().item()
print(f"ELBO {elbo:.1f} nats an image, by {k} samples {tighter:.1f}")

# %% [markdown]
# ## 4. Of a class
#
# A conditional VAE has the class at its encoder and decoder, $p(x|z, y)$. So $z$ need not hold it
# and holds the rest: slant, width, thickness. A row keeps one code through all ten classes.

# %%
conditional = genarium.train("cvae", latent=8, **common)
genarium.traverse(conditional, classes="class", start="0-5")

# %%
genarium.sample(conditional, n=32, condition="7")

# %% [markdown]
# ## Exercises
#
# 1. Train with `prior="mixture"` (the default of the recipe). *Expect* better samples at the same
#    reconstructions: codes are drawn from where codes of pictures lie, not from $\mathcal{N}(0,
#    I)$.
# 2. Train `iwae` with the same settings. *Expect* a higher bound for `k=1`… of the same `k` it
#    was trained on, and more numbers of the code in use.
# 3. Sample with `temperature=0.6`. *Expect* clean, similar digits.
# 4. Evaluate `vae` and look at *sharpness*: *expect* far less than the reference. Blur is the
#    mean of all pictures that one code might be.
