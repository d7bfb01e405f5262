# %% [markdown]
# # The latent space
#
# A decoder draws a picture of every code, so pictures can be moved by moving codes. This notebook
# walks between codes, adds and subtracts them, changes one property, and finds the code of a
# given picture.
#
# Draws of $\mathcal{N}(0, I)$ in $D$ dimensions have nearly the length $\sqrt D$, so the straight
# way between two passes through short codes that are never drawn. The great circle keeps the
# length:
#
# $$\mathrm{slerp}(a, b; t) = \frac{\sin((1-t)\theta)}{\sin\theta}\,a
# + \frac{\sin(t\theta)}{\sin\theta}\,b,
# \qquad \cos\theta = \frac{a \cdot b}{\|a\|\,\|b\|}$$

# %% tags=["install"]
# What is there already is kept. Until Genarium is in the package index, SOURCE is where it
# comes from: "git+https://HOST/OWNER/genarium", or a wheel that you uploaded. The second line
# takes the PyTorch for CPUs; leave it out on a machine of your own with a GPU.
SOURCE = "genarium[features]"
# %pip install -q "torch>=2.10" --index-url https://download.pytorch.org/whl/cpu
# %pip install -q "{SOURCE}"

# %%
import genarium

# %% tags=["parameters"] quick={"vae_steps": 3, "gan_steps": 2, "n": 40, "search": 2}
vae_steps = 500  # of training the VAE
gan_steps = 700  # of training the GAN
n = 300  # pictures on the map
search = 60  # steps of the search for a code

# %% [markdown]
# A VAE encodes and decodes; a GAN only decodes.

# %%
data = {"data": "digits", "size": 16}
vae = genarium.train("vae", latent=16, prior="fixed", steps=vae_steps, **data)
small = {"architecture": "dcgan", "width": 16, "latent": 16, "batch": 64, "lr": 2e-3, "beta1": 0.0}
gan = genarium.train(
    "dcgan", steps=gan_steps, schedule="linear", ema=0.99, regularizers=[], **small, **data
)

# %% [markdown]
# ## 1. Ways between codes
#
# Between test pictures, which stand at both ends:

# %%
genarium.interpolate(vae, start="test:0-4", end="test:5-9", steps=10)

# %% [markdown]
# Between samples of the GAN, along the great circle and straight:

# %%
genarium.interpolate(gan, start="0-2", end="3-5", steps=10)

# %%
genarium.interpolate(gan, start="0-2", end="3-5", steps=10, linear=True)

# %% [markdown]
# ## 2. Arithmetic
#
# The mean code of 7s, less that of 1s, plus that of 0s (Radford, Metz & Chintala 2016). Above,
# some of each group; below them what the mean code decodes to; at the right the result amid near
# codes.

# %%
genarium.arithmetic(vae, plus=["class:7", "class:0"], minus=["class:1"])

# %% [markdown]
# ## 3. One property
#
# A direction is the difference of two means. Along it, 4s become 9s, by closing the top:

# %%
genarium.traverse(vae, toward=("class:4", "class:9"), start="class:4", steps=9)

# %% [markdown]
# A single number of the code, for several codes. It has no name: nothing in the training asked
# for one.

# %%
genarium.traverse(vae, dimension=3, start="test:0-3", steps=9)

# %% [markdown]
# ## 4. Find the code of a picture
#
# The GAN has no encoder. Its code of a picture is searched by gradient steps on
#
# $$\min_z \; \|G(z) - x\|^2 + \lambda\, \|z\|^2 / D .$$

# %%
genarium.invert(gan, "test:0-7", steps=search, restarts=2)

# %% [markdown]
# What it cannot find it cannot draw, or the search stopped in a valley: more `restarts` tell
# which.
#
# ## 5. Codes as a map and as features

# %%
genarium.map(vae, n=n)

# %%
genarium.cluster(vae, n=max(n, 200))

# %%
genarium.probe(vae, labels=500 if n > 100 else 20)

# %% [markdown]
# ## Exercises
#
# 1. Interpolate the VAE with `linear=True`. *Expect* hardly a difference: codes of pictures lie
#    nearer the middle than draws.
# 2. `genarium.interpolate(vae, start="class:3", end="class:8", steps=12).save("walk.gif")`.
#    *Expect* a film, there and back.
# 3. Take another `dimension`. *Expect* slant or width from some, and nothing from a collapsed
#    one.
# 4. Invert a picture that is no digit (`genarium.invert(gan, [picture])`). *Expect* the nearest
#    digit, and a large error: that is a way to see what a model can not draw.
