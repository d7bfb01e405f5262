# %% [markdown]
# # Diffusion and flow matching
#
# A path leads from a picture $x$ to noise $\epsilon \sim \mathcal{N}(0, I)$; in flow matching it
# is a straight line,
#
# $$x_t = (1 - t)\,x + t\,\epsilon, \qquad 0 \le t \le 1 .$$
#
# A network sees $x_t$ and $t$ and learns the velocity of the path by squared error (Lipman et al.
# 2023),
#
# $$\min_v\; \mathbb{E}\,\big\| v(x_t, t) - (\epsilon - x) \big\|^2 .$$
#
# Its best answer is a mean over all pairs that pass there, and this mean is enough: the equation
# $dx/dt = v(x, t)$, solved from noise at $t = 1$ back to $t = 0$, ends at draws of the pictures'
# distribution.

# %% tags=["install"]
# What is there already is kept. Until Genarium is in the package index, SOURCE is where it
# comes from: "git+https://HOST/OWNER/genarium", or a wheel that you uploaded. The second line
# takes the PyTorch for CPUs; leave it out on a machine of your own with a GPU.
SOURCE = "genarium"
# %pip install -q "torch>=2.10" --index-url https://download.pytorch.org/whl/cpu
# %pip install -q "{SOURCE}"

# %%
import genarium

# %% tags=["parameters"] quick={"plane_steps": 2, "steps": 2, "n": 16, "points": 100, "width": 8}
plane_steps = 400  # of training on points of the plane
steps = 400  # of training on digits
n = 200  # pictures that are scored
points = 1000  # points that are drawn
width = 16  # channels of the network

# %% [markdown]
# ## 1. In the plane: how many steps?
#
# Eight Gaussians on a circle, drawn by a solver of 1, 4 and 20 steps (`euler`, one evaluation of
# the network each).

# %%
plane = genarium.train("flow-matching", data="ring8", steps=plane_steps, batch=128, lr=2e-3)
genarium.sample(plane, n=points, solver="euler", steps=1)

# %%
genarium.sample(plane, n=points, solver="euler", steps=4)

# %%
genarium.sample(plane, n=points, solver="euler", steps=20)

# %% [markdown]
# One step goes along the mean of all ways at $t = 1$, and that leads to the middle of the data.
# The ways that the equation really takes are bent, so they need several steps.
#
# ## 2. Digits
#
# At 12×12 pixels, with the class as a condition.

# %%
small = {"size": 12, "width": width, "batch": 32, "lr": 2e-3, "ema": 0.99, "warmup": 30}
digits = genarium.train("flow-matching", "digits", condition="class", steps=steps, **small)
genarium.sample(digits, n=64)

# %% [markdown]
# ## 3. What an evaluation buys
#
# The same noise, better and better solved. `heun` takes two evaluations a step and is of second
# order, `dpm++2m` of second order with one.

# %%
genarium.sample(digits, n=24, solver="euler", steps=2)

# %%
genarium.sample(digits, n=24, solver="euler", steps=8)

# %%
genarium.sample(digits, n=24, solver="dpm++2m", steps=8)

# %%
fast = digits.with_settings({"solver": "euler", "steps": 2})
slow = digits.with_settings({"solver": "dpm++2m", "steps": 8})
genarium.compare([fast, slow], n=n, metrics="fid,recognised")

# %% [markdown]
# One network, two samplers: each column names its own. The table does not call one the better
# model, since they are not measured alike; the figures say what the evaluations bought.

# %% [markdown]
# ## 4. Guidance
#
# With the class hidden from a tenth of the pictures the network learnt $v(x, t)$ as well as $v(x,
# t \mid y)$. *Classifier-free guidance* walks along $v + w\,(v_y - v)$: $w = 1$ is what was
# learnt, more follows the class further, for less variety and twice the evaluations.

# %%
genarium.sample(digits, n=24, condition="8", guidance=1.0)

# %%
genarium.sample(digits, n=24, condition="8", guidance=4.0)

# %% [markdown]
# ## 5. Editing
#
# Noise a test picture half the way, and solve back: what is finer than the noise is drawn anew,
# what is coarser stays (SDEdit). Asked for another class, the picture becomes one, in about the
# same place and slant.

# %%
genarium.translate(digits, "test:0-9", strength=0.7, condition="3")

# %% [markdown]
# ## Exercises
#
# 1. Train `mean-flow` on `ring8`. *Expect* all modes in one evaluation: it learns the mean
#    velocity of a whole way.
# 2. Train with `pairing="optimal"` on `ring8` and sample in 4 steps. *Expect* rounder modes:
#    noise and points are paired within a batch, so ways cross less and are straighter.
# 3. Edit at strengths 0.3 and 0.95. *Expect* nearly the given picture, and nearly a new one.
# 4. `genarium.score(digits, "test:0-7", k=2)` estimates $\ln p(x)$ along the same equation.
#    *Expect* seconds a picture, and an error beside each value: an estimate, not a bound.
