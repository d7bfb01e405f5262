# %% [markdown]
# # Normalizing flows
#
# A flow is an invertible network $f$ from pictures to as many Gaussian numbers. The change of
# variables gives an exact density:
#
# $$\ln p(x) = \ln \mathcal{N}\big(f(x);\, 0, I\big)
# + \ln\left|\det \frac{\partial f}{\partial x}\right|$$
#
# The layers are *couplings*: one half of the numbers stays, and says how the other half is
# changed by an increasing function. So each layer can be undone, and its determinant is a
# product. A sample is $f^{-1}(z)$ of $z \sim \mathcal{N}(0, I)$, in one pass.

# %% tags=["install"]
# What is there already is kept. Until Genarium is in the package index, SOURCE is where it
# comes from: "git+https://HOST/OWNER/genarium", or a wheel that you uploaded. The second line
# takes the PyTorch for CPUs; leave it out on a machine of your own with a GPU.
SOURCE = "genarium"
# %pip install -q "torch>=2.10" --index-url https://download.pytorch.org/whl/cpu
# %pip install -q "{SOURCE}"

# %%
import genarium

# %% tags=["parameters"] quick={"plane_steps": 2, "steps": 2, "n": 64, "points": 200}
plane_steps = 300  # of training on points of the plane
steps = 300  # of training on digits
n = 300  # pictures that are scored
points = 2000  # points that are drawn

# %% [markdown]
# ## 1. In the plane
#
# Eight Gaussians on a circle: a distribution that can be drawn.

# %%
plane = genarium.train("spline-flow", data="ring8", steps=plane_steps, batch=256, ema=0.99)
genarium.sample(plane, n=points)

# %% [markdown]
# All eight modes are there, and threads of points between them. These threads are the weakness of
# the family: an invertible, continuous map can stretch the plane, but not tear it into eight
# pieces.

# %%
genarium.evaluate(plane, n=points)

# %% [markdown]
# ## 2. Digits
#
# At 12×12 pixels a flow maps 144 numbers to 144 numbers. A pixel is one of 256 levels, a density
# needs continuous values, so training adds uniform noise of one level (*dequantization*).

# %%
small = {"couplings": 2, "width": 16, "scales": 2}
flow = genarium.train("spline-flow", data="digits", size=12, steps=steps, ema=0.99, **small)
genarium.sample(flow, n=64)

# %% [markdown]
# Cooler draws, $z \sim \mathcal{N}(0, T^2 I)$ with $T = 0.7$, lie nearer the middle of the codes:

# %%
genarium.sample(flow, n=64, temperature=0.7)

# %% [markdown]
# ## 3. Exact both ways
#
# The code of a picture is as large as the picture, and decodes to the picture itself. No other
# family here has both an exact density and exact codes.

# %%
codes = flow.encode("test:0-7")
back = flow.decode(codes)
real = flow.dataset().test.images[:8]
error = (flow.stored(back).float() - real.float()).abs().max().item()
print(
    f"codes {tuple(codes.shape)}; no pixel of a decoded code is off by more than {error:.0f} of 255"
)

# %%
genarium.interpolate(flow, start="test:0-4", end="test:5-9", steps=10)

# %% [markdown]
# ## 4. The density

# %%
scores = genarium.score(flow, f"test:0-{n - 1}")
print(f"{scores.bits_per_dim.mean():.2f} bits a pixel of {scores.density}")
scores

# %%
genarium.evaluate(flow, n=n, metrics="fid,precision,recall,recognised")

# %% [markdown]
# A good likelihood and rough pictures go together here: each of the 144 numbers counts alike for
# the density, and the eye looks at few of them.
#
# ## Exercises
#
# 1. Train `realnvp` on `ring8` with the same steps. *Expect* broader modes: its increasing
#    function is a straight line, a spline bends.
# 2. Look at `codes.mean()` and `codes.std()` of 500 test pictures. *Expect* about 0 and 1. Are
#    they Gaussian?
# 3. Multiply one code by 0 and decode it. *Expect* the picture in the middle of all codes, which
#    looks like no digit: the mode of a density need not be a typical draw.
# 4. Train for four times the steps. *Expect* more shapes that are digits, and bits per pixel that
#    fall slowly.
