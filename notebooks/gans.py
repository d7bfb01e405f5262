# %% [markdown]
# # Generative adversarial networks
#
# A generator $G$ turns noise into pictures, a discriminator $D$ says which are real (Goodfellow
# et al. 2014):
#
# $$\min_G \max_D \;\; \mathbb{E}_{x}[\ln D(x)] + \mathbb{E}_{z}\big[\ln\big(1 - D(G(z))\big)\big]$$
#
# For the best $D$ this is, but for a constant, the Jensen-Shannon divergence between real and
# generated pictures. There is no density and no code of a given picture. What comes out is sharp.
# What can go wrong: the two do not settle, or $G$ makes only a part of the pictures (*missing
# modes*).

# %% tags=["install"]
# What is there already is kept. Until Genarium is in the package index, SOURCE is where it
# comes from: "git+https://HOST/OWNER/genarium", or a wheel that you uploaded. The second line
# takes the PyTorch for CPUs; leave it out on a machine of your own with a GPU.
SOURCE = "genarium"
# %pip install -q "torch>=2.10" --index-url https://download.pytorch.org/whl/cpu
# %pip install -q "{SOURCE}"

# %%
import genarium

# %% tags=["parameters"] quick={"plane_steps": 3, "steps": 2, "n": 64, "points": 200, "width": 16}
plane_steps = 1500  # of each training on points of the plane
steps = 800  # of training on digits
n = 500  # pictures that are scored
points = 1000  # points that are drawn
width = 128  # units of the networks for points

# %% [markdown]
# ## 1. Missing modes can be counted
#
# Eight Gaussians on a circle, and noise of two numbers. First the plain GAN, whose generator is
# trained by $-\ln D(G(z))$:

# %%
plane = {"width": width, "latent": 2, "lr": 1e-3, "batch": 128, "ema": 0.99, "steps": plane_steps}
plain = genarium.train("gan", data="ring8", **plane)
genarium.sample(plain, n=points)

# %% [markdown]
# Then with R1, a penalty $\tfrac{\gamma}{2}\,\mathbb{E}_x \|\nabla D(x)\|^2$ on the slope of $D$
# at real points (Mescheder et al. 2018): $D$ cannot become a cliff, and $G$ is told in which
# direction the real points lie. Too large a $\gamma$, and $D$ learns nothing at all.

# %%
steady = genarium.train("gan", data="ring8", regularizers="r1:0.02", **plane)
genarium.sample(steady, n=points)

# %% [markdown]
# *modes captured* counts modes with at least one point, *missing modes* those with less than a
# quarter of their share, beyond doubt. With these seeds the plain GAN leaves one of eight out,
# and the other none. Points between the modes are in neither count: *high quality* is the share
# within 3 σ of a mode.

# %%
genarium.compare([plain, steady], n=points, metrics="fid")

# %% [markdown]
# ## 2. Digits

# %%
small = {"architecture": "dcgan", "width": 16, "latent": 16, "batch": 64, "lr": 2e-3, "beta1": 0.0}
data = {"data": "digits", "size": 16}
gan = genarium.train(
    "dcgan", steps=steps, schedule="linear", ema=0.99, regularizers=[], **small, **data
)
genarium.sample(gan, n=64)

# %% [markdown]
# ## 3. Is the training healthy?
#
# The losses of a GAN do not say how good it is: each is measured against an opponent that
# changes. What does say something: whether $D$ still errs, whether samples differ from one
# another, whether classes are missing.

# %%
genarium.diagnose(gan)

# %%
genarium.evaluate(gan, n=n, metrics="fid,precision,recall,recognised,classes-found")

# %% [markdown]
# *precision* is the share of samples among the real pictures, *recall* the share of real pictures
# among the samples. A GAN that drops modes has the first without the second.
#
# ## 4. Truncation
#
# Noise within $\pm t$ only (Brock et al. 2019): more typical pictures and less variety.

# %%
genarium.sample(gan, n=32, truncation=0.5)

# %%
genarium.interpolate(gan, steps=10)

# %% [markdown]
# ## 5. Does it copy?
#
# Sharp pictures might be training pictures. Beside each sample is the training picture that it is
# most like to:

# %%
genarium.nearest(gan, n=16)

# %% [markdown]
# ## Exercises
#
# 1. Train with `packing=2` on `ring8`: $D$ judges two points together, so a missing mode shows.
#    *Expect* more modes than the plain GAN has.
# 2. `objective="wasserstein", regularizers="gradient-penalty"` on `ring8`. *Expect* all modes,
#    more slowly: five updates of the critic for each of the generator.
# 3. `cgan` with `steps` on digits, then `condition="4"`. *Expect* the class that was asked for,
#    mostly.
# 4. `infogan` on digits, then `genarium.sample(run, code="3,*,*")`. *Expect* a category that is
#    nearly one digit, found without a label.
