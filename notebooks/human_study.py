# %% [markdown]
# # A human study
#
# Whether pictures look real only people can say. In a study each participant sees single
# pictures, real ones and generated ones in random order, and says of each *real* or *fake*. The
# **human error** of a model is how often its pictures are taken for real, averaged with how often
# real ones are taken for fake, as in HYPE (Zhou et al. 2019): at 50 % nobody can tell.
#
# You make a study of two models, see what participants see, and read the report.

# %% tags=["install"]
# What is there already is kept. Until Genarium is in the package index, SOURCE is where it
# comes from: "git+https://HOST/OWNER/genarium", or a wheel that you uploaded. The second line
# takes the PyTorch for CPUs; leave it out on a machine of your own with a GPU.
SOURCE = "genarium[studio]"
# %pip install -q "torch>=2.10" --index-url https://download.pytorch.org/whl/cpu
# %pip install -q "{SOURCE}"

# %%
import genarium

# %% tags=["parameters"] quick={"vae_steps": 2, "gan_steps": 2, "n": 10, "participants": 2}
vae_steps = 400  # of training the VAE
gan_steps = 800  # of training the GAN
n = 50  # pictures of each model, and as many real ones for each
participants = 8  # that are simulated below

# %%
data = {"data": "digits", "size": 16}
vae = genarium.train("vae", latent=8, steps=vae_steps, schedule="cosine", **data)
small = {"architecture": "dcgan", "width": 16, "latent": 16, "batch": 64, "lr": 2e-3, "beta1": 0.0}
gan = genarium.train(
    "dcgan", steps=gan_steps, schedule="linear", ema=0.99, regularizers=[], **small, **data
)

# %%
genarium.sample(vae, n=32)

# %%
genarium.sample(gan, n=32)

# %% [markdown]
# ## 1. Make it
#
# Pictures are drawn once and stored under random names. Nothing but the pixels differs between
# real and generated ones: same format, same length of the files. The truth stays on the server.

# %%
study = genarium.create_study(
    [vae, gan], out="study", n=n, show=min(n, 20), title="Handwritten digits"
)
study

# %% [markdown]
# Can you tell? Some of the pictures, in the order of their random names:

# %%
from pathlib import Path

genarium.show(sorted(Path("study/pictures").glob("*.png"))[:40])

# %% [markdown]
# ## 2. Let people judge
#
# On your own machine this command shows the study in the browser. It gives each participant a
# link, runs until Ctrl-C, and keeps every answer on the disk before the next picture is shown:
#
#     genarium study serve study
#
# A page that others reach is no thing for a free notebook service. So here **a machine stands in
# for the participants**, for the lesson's sake only: it calls a picture real if a classifier of
# digits is sure of it, each participant with a strictness of their own. Its figures say nothing
# about people.

# %%
import random
from functools import partial

import numpy as np
import torch
from PIL import Image

from genarium.evaluation.extractors.by_name import extractor
from genarium.study import manifest, plan
from genarium.study.store import Store

pictures = sorted(Path("study/pictures").glob("*.png"))
pixels = np.stack([np.asarray(Image.open(file).convert("L")) for file in pictures])
sure = extractor("digits")(torch.from_numpy(pixels)[:, None]).logits.softmax(1).max(1).values
surest = dict(zip([file.name for file in pictures], sure.tolist()))

# %%
described = manifest.read(Path("study"))
store = Store(Path("study/answers.sqlite"), described.id)
for participant in range(participants):
    draw = random.Random(participant)
    strict = draw.uniform(0.9, 0.999)
    token = store.join(partial(plan.plan, described, draw=draw))
    for row in store.of(token):
        shown = row.trial.picture
        answer = row.trial.wanted  # of an attention check
        if shown:
            answer = "real" if surest[shown] > strict else "fake"
        store.answer(token, row.position, answer, draw.uniform(500, 2000))
store.close()

# %% [markdown]
# ## 3. The report
#
# Error rates have intervals that know that answers of one participant are alike. The verdict
# names a better model only where the evidence is there.

# %%
report = genarium.report_study("study")
report

# %% [markdown]
# The page has more: the fakes that convinced most, the real pictures that were doubted, each
# participant. Beside it are tables of every answer and every picture.

# %%
report.save("study/report.html")

# %% [markdown]
# ## Exercises
#
# 1. Run `genarium study serve study` at home, judge all pictures yourself, and make the report
#    again. *Expect* to find the blurred fakes of the VAE at once.
# 2. Make a study of two models that you cannot tell apart, with `n=20`. *Expect* wide intervals
#    and no verdict. How many answers would you need for an interval of ±5 %? For a share near one
#    half about $4 \cdot 0.25 / 0.05^2 = 400$.
# 3. Make one with `mode="timed"`. *Expect* pictures that flash: the shortest look at which people
#    are still right is a finer measure than right or wrong.
# 4. Participants who fail the attention checks are left out. Let a simulated one answer `"real"`
#    to everything, and report with and without `keep_inattentive=True`. *Expect* other error
#    rates.
