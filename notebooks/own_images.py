# %% [markdown]
# # Your own images
#
# From a folder of pictures to a model, its scores, and a page to send. The folder here is drawn
# in code, so that the notebook runs as it is; one line puts yours in its place.

# %% tags=["install"]
# What is there already is kept. Until Genarium is in the package index, SOURCE is where it
# comes from: "git+https://HOST/OWNER/genarium", or a wheel that you uploaded. The second line
# takes the PyTorch for CPUs; leave it out on a machine of your own with a GPU.
SOURCE = "genarium"
# %pip install -q "torch>=2.10" --index-url https://download.pytorch.org/whl/cpu
# %pip install -q "{SOURCE}"

# %%
import genarium

# %% tags=["parameters"] quick={"each": 27, "vae_steps": 2, "gan_steps": 2, "n": 8, "size": 16}
each = 150  # pictures of each class that are drawn
size = 32  # pixels a side that models see
vae_steps = 300  # of training the VAE
gan_steps = 120  # of training the GAN
n = 60  # pictures that are scored

# %% [markdown]
# ## 1. A folder of pictures
#
# Landscapes by day, at dusk and by night: hills, a sun or a moon, sometimes a house. Each class
# has a folder.

# %%
import random
from pathlib import Path

from PIL import Image, ImageDraw

SKIES = {
    "day": ((90, 160, 235), (205, 230, 250), (255, 225, 90)),
    "dusk": ((70, 50, 120), (250, 140, 80), (255, 120, 60)),
    "night": ((8, 10, 35), (40, 45, 90), (235, 235, 220)),
}


def landscape(kind: str, draw: random.Random, side: int = 64) -> Image.Image:
    """A picture of this kind."""
    above, below, disc = SKIES[kind]
    picture = Image.new("RGB", (side, side))
    pen = ImageDraw.Draw(picture)
    for y in range(side):
        share = y / side
        pen.line(
            [(0, y), (side, y)], tuple(round(a + (b - a) * share) for a, b in zip(above, below))
        )
    x, y, r = draw.randint(8, side - 8), draw.randint(8, side // 2), draw.randint(4, 8)
    pen.ellipse([x - r, y - r, x + r, y + r], disc)
    dark = {"day": 1.0, "dusk": 0.55, "night": 0.25}[kind]
    for depth in range(3):
        top = side // 2 + 6 * depth + draw.randint(0, 6)
        left, right = draw.randint(-30, 20), draw.randint(side - 20, side + 30)
        green = tuple(round(c * dark) for c in (60 - 10 * depth, 150 - 25 * depth, 70 - 10 * depth))
        pen.ellipse([left, top, right, top + side], green)
    if draw.random() < 0.5:
        x, y = draw.randint(6, side - 20), draw.randint(side - 26, side - 18)
        wall = tuple(
            round(c * max(dark, 0.4)) for c in draw.choice([(200, 80, 60), (220, 200, 160)])
        )
        pen.rectangle([x, y, x + 13, y + 11], wall)
        pen.polygon([(x - 2, y), (x + 15, y), (x + 6, y - 8)], tuple(c // 2 for c in wall))
        pen.rectangle(
            [x + 4, y + 4, x + 8, y + 8], (255, 235, 130) if kind != "day" else (90, 90, 110)
        )
    return picture


draw = random.Random(0)
for kind in SKIES:
    folder = Path("landscapes") / kind
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(each):
        landscape(kind, draw).save(folder / f"{number:04d}.png")

# %% [markdown]
# **Yours instead:** upload a folder, or a `.zip` of one, and name it here. Sub-folders become
# classes, and none are needed. PNG, JPEG, GIF, BMP, TIFF, WebP, of any size and mixed; a few
# hundred pictures are a beginning, a thousand are better.

# %%
photos = "landscapes"  # "/content/my-photos.zip"

# %%
genarium.show(photos, n=30)

# %% [markdown]
# What will be read: shape, splits, classes, and what was left out and why. Splits are cut by the
# pictures' content, so equal pictures stay on one side.

# %%
genarium.show_data(photos, size=size)

# %% [markdown]
# ## 2. A VAE: codes, reconstructions, walks

# %%
vae = genarium.train("vae", data=photos, size=size, steps=vae_steps)
genarium.reconstruct(vae, n=16)

# %%
genarium.sample(vae, n=32)

# %%
genarium.interpolate(vae, start="class:day", end="class:night", steps=9)

# %% [markdown]
# ## 3. A GAN for few pictures
#
# `fast-gan` is made for 100 to 2,000 pictures (Liu et al. 2021): real and generated ones are
# shifted, coloured and cut alike before $D$ sees them, so that $D$ cannot learn the few real ones
# by heart. It wants far more steps than a first look takes.

# %%
gan = genarium.train("fast-gan", data=photos, size=size, steps=gan_steps, batch=16)
genarium.sample(gan, n=32)

# %% [markdown]
# ## 4. Which one, and does it copy?
#
# Features are of a network that saw photographs and is in the package. The test split is small,
# so `reference="folds"` holds samples against parts of all pictures, each as large as the test
# split.

# %%
genarium.compare([vae, gan], n=n, metrics="fid,precision,recall", reference="folds")

# %%
genarium.nearest(vae, n=16)

# %% [markdown]
# ## 5. Give it away
#
# One HTML file that runs the model in any browser, without a network and without Python: sliders,
# samples, walks.

# %%
genarium.export(vae, page="model.html")

# %% [markdown]
# ## Exercises
#
# 1. Put your own pictures in place, with `size=64` and `preset="quick"`. *Expect* some ten
#    minutes on two cores.
# 2. Train with `keep_best=True, patience=5`. *Expect* training to stop when the score of the
#    validation split gets no better, and the best checkpoint to be used from then on.
# 3. Train `flow-matching` at `size=16`. *Expect* the sharpest pictures of the three, and seconds
#    for each sheet.
# 4. Delete all but 30 pictures of each class and train `fast-gan` again. *Expect* near copies of
#    training pictures, and the verdict to say so once there are enough samples.
