# %% [markdown]
# # Which model is better?
#
# Scores of generated pictures are *estimates from samples*: another seed, another number. A
# ranking that forgets this ranks noise. This notebook scores with intervals, lets differences be
# judged, and catches a model that cheats by copying.

# %% tags=["install"]
# What is there already is kept. Until Genarium is in the package index, SOURCE is where it
# comes from: "git+https://HOST/OWNER/genarium", or a wheel that you uploaded. The second line
# takes the PyTorch for CPUs; leave it out on a machine of your own with a GPU.
SOURCE = "genarium"
# %pip install -q "torch>=2.10" --index-url https://download.pytorch.org/whl/cpu
# %pip install -q "{SOURCE}"

# %%
import genarium

# %% tags=["parameters"] quick={"few_steps": 2, "steps": 3, "gan_steps": 2, "n": 64, "few": 32}
few_steps = 120  # of the VAE with little training
steps = 500  # of the one with more
gan_steps = 800  # of the GAN
n = 500  # pictures that are scored
few = 100  # and too few of them

# %%
data = {"data": "digits", "size": 16}
common = {"latent": 8, "schedule": "cosine", **data}
young = genarium.train("vae", steps=few_steps, **common)
vae = genarium.train("vae", steps=steps, **common)
small = {"architecture": "dcgan", "width": 16, "latent": 16, "batch": 64, "lr": 2e-3, "beta1": 0.0}
gan = genarium.train(
    "dcgan", steps=gan_steps, schedule="linear", ema=0.99, regularizers=[], **small, **data
)

# %% [markdown]
# ## 1. One score is not enough
#
# The Fréchet distance (FID) fits a Gaussian to the features of either set:
#
# $$d^2 = \|\mu_1 - \mu_2\|^2
# + \mathrm{tr}\big(\Sigma_1 + \Sigma_2 - 2\,(\Sigma_1 \Sigma_2)^{1/2}\big)$$
#
# *Precision* asks whether samples lie among real pictures, *recall* whether real pictures lie
# among samples. *copied*, *repeated* and *missing classes* are verdicts with a test behind each.

# %%
genarium.evaluate(gan, n=n)

# %% [markdown]
# ## 2. Better, worse, or cannot tell
#
# Same samples, same test pictures, so the errors are shared and the *difference* has an interval
# of its own. Only if it excludes 0 is one model called better.

# %%
genarium.compare([young, vae, gan], n=n, metrics="fid,kid,precision,recall,recognised")

# %% [markdown]
# Look at *recognised*: the VAE with hardly any training wins. Its samples are all the same
# blurred digit, and a classifier is sure of it. Precision and recall say that it is near to
# nothing real. Each score has such a blind spot, so read several.
#
# A closer call: the same GAN, trained again with another seed, by few pictures and by more. The
# table says about how many pictures would tell.

# %%
twin = genarium.train(
    "dcgan", steps=gan_steps, schedule="linear", ema=0.99, regularizers=[], seed=1, **small, **data
)
genarium.compare([gan, twin], n=few, metrics="fid,precision,recall")

# %%
genarium.compare([gan, twin], n=n, metrics="fid,precision,recall")

# %% [markdown]
# With few pictures FID itself is larger, for both: it is biased upwards. So values at different
# counts are never held against each other. And where two seeds of one method differ beyond doubt,
# a ranking of *methods* needs several trainings of each.
#
# ## 3. A perfect score that is worth nothing
#
# Whoever knows the training pictures by heart scores best. Any images can be scored, so let a
# "model" hand out training pictures:

# %%
learnt, unseen = vae.dataset().train.images, vae.dataset().test.images
held = {"against": unseen, "train": learnt, "extractor": "digits", "metrics": "fid,recall,fld"}
genarium.evaluate(learnt[:n], n=n, **held)

# %% [markdown]
# FID is lower than that of any model above. No distance between distributions can see the fraud,
# since copies of real pictures *are* distributed as real pictures. FLD also looks at the training
# pictures: samples that sit on them explain unseen ones badly, and it explodes.
#
# *copied* asks directly: is the nearest *training* picture nearer than the nearest *unseen* one
# can be by chance? It works for a part as well. One in ten samples of the GAN is replaced by a
# copy:

# %%
import torch

copies = n // 10
mixed = torch.cat([gan.stored(gan.sample(n - copies)), learnt[:copies]])
genarium.evaluate(mixed, n=n, **held)

# %% [markdown]
# The detector counts about a tenth. FID does not suffer from the copies: it gets *better*.
#
# And the GAN itself. Beside each sample is the training picture that it is most like to:

# %%
genarium.nearest(gan, n=24)

# %% [markdown]
# ## 4. Keep it
#
# One page with all tables, samples, nearest training pictures and walks of each model:

# %%
genarium.compare([vae, gan], n=n, metrics="fid,precision,recall").save("report.html")

# %% [markdown]
# ## Exercises
#
# 1. Compare `vae` with `vae.with_settings({"temperature": 0.7})`. *Expect* higher precision and
#    lower recall: a trade, not an improvement.
# 2. Replace one sample in a hundred by a copy, with `n=1000`. *Expect* the detector to see ten
#    copies, and FID to see nothing.
# 3. Evaluate with `extractor="pixels"`. *Expect* another ranking, perhaps: a score sees what its
#    features see.
# 4. Evaluate the GAN with `n=1000`. *Expect* a lower FID than with 500 for the same model.
