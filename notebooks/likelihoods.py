# %% [markdown]
# # Likelihoods
#
# How likely does a model find a picture? Three answers have three names, and only equals compare:
#
# | | gives | here |
# |---|---|---|
# | exact | $\ln p(x)$ | PixelCNN, flows |
# | bound | a number that $\ln p(x)$ is not below | VAE: $\mathrm{ELBO}(x) \le \ln p(x)$ |
# | estimate | a number with a standard error | flow matching, along an equation |
#
# In bits per dimension, $-\ln p(x) / (D \ln 2)$: 8 is no knowledge of 256 grey levels, 1 of black
# and white. A GAN has none of the three.

# %% tags=["install"]
# What is there already is kept. Until Genarium is in the package index, SOURCE is where it
# comes from: "git+https://HOST/OWNER/genarium", or a wheel that you uploaded. The second line
# takes the PyTorch for CPUs; leave it out on a machine of your own with a GPU.
SOURCE = "genarium"
# %pip install -q "torch>=2.10" --index-url https://download.pytorch.org/whl/cpu
# %pip install -q "{SOURCE}"

# %%
import genarium

# %% tags=["parameters"] quick={"steps": 2, "images": 10, "few": 1, "k": 2, "width": 8}
steps = 200  # of each of five trainings
images = 200  # test pictures whose likelihood is computed
few = 8  # of them for the estimate, which takes seconds each
k = 50  # importance samples of the bound
width = 16  # channels of the networks

# %% [markdown]
# ## 1. Three kinds, one data set
#
# Digits of 12×12 pixels and 256 grey levels, so that minutes are enough. The VAE's decoder is a
# distribution of levels too (`decoder="logistic"`), so all three are of the same thing.

# %%
common = {"data": "digits", "size": 12, "steps": steps, "schedule": "cosine"}
exact = genarium.train("pixelcnn", blocks=4, dilation=2, output="logistics", batch=32, **common)
flow = genarium.train(
    "spline-flow", ema=0.99, width=width, couplings=2, scales=2, batch=64, **common
)
bound = genarium.train("vae", decoder="logistic", **common)
estimate = genarium.train(
    "flow-matching", patch=2, width=width, batch=32, lr=2e-3, ema=0.98, **common
)

# %%
test = f"test:0-{images - 1}"
results = {
    "pixelcnn, exact": genarium.score(exact, test),
    "spline-flow, exact": genarium.score(flow, test),
    "vae, bound, k = 1": genarium.score(bound, test),
    f"vae, bound, k = {k}": genarium.score(bound, test, k=k),
    "flow-matching, estimate": genarium.score(estimate, f"test:0-{few - 1}", k=2),
}
for name, result in results.items():
    print(f"{name:26} {result.bits_per_dim.mean():7.3f} bits a pixel   of {result.density}")

# %% [markdown]
# A bound says *at most* so many bits: with more samples $k$ it can only come down. Where a bound
# stands above an exact figure, the model may still be the better one. The estimate is of few
# pictures, so its mean is rough.
#
# ## 2. Of what is it the likelihood?
#
# The same model on black and white pixels has far fewer bits. That is another question, no better
# model:

# %%
binary = genarium.train("pixelcnn", levels=2, blocks=4, dilation=2, batch=32, **common)
scores = genarium.score(binary, test)
print(f"{scores.bits_per_dim.mean():.3f} bits a pixel of {scores.density}")

# %% [markdown]
# So tables of Genarium name the density, and rank only within one name.
#
# ## 3. Strange pictures
#
# A likelihood can find pictures that do not belong. AUROC is the chance that a digit is likelier
# than one of the others: 1 separates without error, .5 is chance. First digits that were turned
# upside down, then digits whose contrast was halved:

# %%
real = exact.dataset().test.images[:images]
upside = real.flip(-2)
pale = (real // 2).to(real.dtype)

# %%
genarium.score(exact, real, against=upside)

# %%
genarium.score(exact, real, against=pale)

# %% [markdown]
# Upside down is hardly stranger after so short a training (an AUROC of .56): strokes are strokes.
# Pale digits come out **likelier** than real ones (.35, below chance), though no digit of the
# data is pale: pixels that vary less cost fewer bits. And an empty picture is likelier than every
# digit. A likelihood measures surprise in all pixels together, not membership (Nalisnick et al.
# 2019).

# %%
empty = real[:1] * 0
for name, some in (("digits", real), ("pale", pale), ("negatives", 255 - real), ("empty", empty)):
    print(f"{name:10} {exact.score(some).mean():8.1f} nats")

# %% [markdown]
# ## 4. A good likelihood and good pictures are two things

# %%
genarium.compare([exact, flow, bound], n=len(real), metrics="fid,recognised")

# %% [markdown]
# ## Exercises
#
# 1. Score an empty picture with the other models. *Expect* it to be likelier than digits there
#    too.
# 2. Raise `k` to 1000 for twenty pictures. *Expect* the bound to come down a little and stop.
# 3. Train `vae` without `decoder="logistic"`. *Expect* bits of *binarized* pixels, which the
#    table keeps apart.
# 4. Score a plain GAN. *Expect* one line that says that it has no likelihood.
