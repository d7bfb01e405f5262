"""Autoencoders: shapes at any size, the PCA optimum, and an honest set of capabilities."""

import pytest
import torch
from torch import nn

from genarium import contract
from genarium.contract import Batch, Noise, Spec, Tones
from genarium.errors import UserError
from genarium.models.autoencoder.autoencoder import Autoencoder, autoencoder
from genarium.nn.conv import ConvDecoder, ConvEncoder, Upsample
from genarium.nn.mlp import DenseDecoder, DenseEncoder

SIZES = [(1, 8, 8), (3, 8, 8), (1, 28, 28), (3, 33, 20), (1, 9, 31), (1, 37, 30), (3, 64, 48)]


def pictures(n: int, shape: tuple[int, int, int], seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=g)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("net", ["strided", "conv", "dense"])
def test_any_size_goes_through(net, shape):
    sizes = {"width": 4} if net != "dense" else {}
    sizes |= {"hidden": 8} if net != "strided" else {}
    model = autoencoder(Spec(*shape), net=net, latent=3, **sizes).eval()
    images = pictures(2, shape)
    step = model.step(Batch(images, noise=Noise(0, 2)), "autoencoder")
    assert torch.isfinite(step.losses["squared_error"])
    z = model.encode(images)
    assert z.shape == (2, 3)
    for picture in (model.decode(z), model.reconstruct(images)):
        assert picture.shape == images.shape
        assert picture.abs().max() <= 1


def test_every_output_pixel_is_reached_at_odd_sizes():
    torch.manual_seed(0)
    decoder = ConvDecoder(6, (1, 33, 21), width=4, hidden=(16,))
    spread = decoder(torch.randn(64, 6)).std(0)
    assert (spread > 0).all()


def test_small_images_are_refused_in_one_line():
    with pytest.raises(UserError, match="--size"):
        ConvEncoder((1, 7, 28), 4)


def test_upsample_is_the_strided_transposed_convolution():
    torch.manual_seed(0)
    layer = Upsample(3, 5, 15, 12).double()
    peer = nn.ConvTranspose2d(3, 5, 4, 2, 1, output_padding=(1, 0)).double()
    phases = layer.convolution.weight.detach().view(5, 2, 2, 3, 2, 2)
    with torch.no_grad():
        for k in range(4):
            for j in range(4):
                a, b = (k + 1) % 2, (j + 1) % 2  # the output phase that this tap writes
                row, column = (1 - k + a) // 2 + 1 - a, (1 - j + b) // 2 + 1 - b
                peer.weight[:, :, k, j] = phases[:, 1 - a, 1 - b, :, row, column].t()
        peer.bias.copy_(torch.arange(5.0))
        layer.convolution.bias.copy_(torch.arange(5.0).repeat_interleave(4))
    x = torch.randn(2, 3, 7, 6, dtype=torch.float64)
    torch.testing.assert_close(layer(x), peer(x))


def test_capabilities_are_honest():
    assert contract.capabilities(Autoencoder) == ("encode", "decode", "reconstruct")


def test_the_loss_is_the_sum_over_pixels_and_the_metric_the_mean():
    shape = (1, 8, 8)
    model = autoencoder(Spec(*shape), latent=2, width=4)
    images = pictures(6, shape)
    step = model.step(Batch(images, noise=Noise(0, 6)), "autoencoder")
    rebuilt = (model.reconstruct(images) + 1) / 2
    squares = (rebuilt - images / 255.0).square()
    torch.testing.assert_close(step.losses["squared_error"], squares.sum((1, 2, 3)).mean())
    torch.testing.assert_close(step.metrics["mse"], squares.mean())
    assert step.metrics["psnr"].item() == pytest.approx(-10 * squares.mean().log10().item())


def test_a_linear_autoencoder_reaches_the_pca_error():
    """With linear nets the best squared error is the sum of the discarded eigenvalues."""
    torch.manual_seed(0)
    shape, latent = (1, 2, 3), 2
    mixing = (
        torch.tensor([3.0, 2.0, 1.0, 0.5, 0.3, 0.1]).diag() @ torch.linalg.qr(torch.randn(6, 6)).Q
    )
    x = (0.5 + 0.05 * torch.randn(400, 6) @ mixing).double().view(400, *shape)
    model = Autoencoder(
        Spec(*shape),
        DenseEncoder(shape, latent, hidden=()),
        DenseDecoder(latent, shape, hidden=()),
        output=nn.Identity(),
    ).double()
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=500, line_search_fn="strong_wolfe", tolerance_change=1e-14
    )

    def closure():
        optimizer.zero_grad()
        loss = model.squared_error(2 * x - 1, x).losses["squared_error"]
        loss.backward()
        return loss

    optimizer.step(closure)
    eigenvalues = torch.linalg.eigvalsh(torch.cov(x.flatten(1).T, correction=0))
    assert closure().item() == pytest.approx(eigenvalues[: 6 - latent].sum().item(), rel=1e-4)


def test_training_lowers_the_loss():
    torch.manual_seed(0)
    shape = (1, 8, 8)
    model = autoencoder(Spec(*shape), latent=4, width=4, lr=1e-2)
    images = (pictures(8, (1, 4, 4)).repeat_interleave(2, 2).repeat_interleave(2, 3)).contiguous()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = model.step(Batch(images), "autoencoder").losses["squared_error"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_the_linear_recipe_holds_the_pca_optimum():
    """With the principal axes as weights its loss is the discarded variance, and flat there."""
    torch.manual_seed(0)
    shape, latent = (1, 3, 4), 4
    spec = Spec(*shape)
    model = autoencoder(spec, net="dense", latent=latent, layers=0, output="linear").double()
    assert [p.numel() for p in model.parameters()] == [12 * 4, 4, 4 * 12, 12]
    images = pictures(300, shape)
    x = images.double().flatten(1) / 255
    mean = x.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(x.T, correction=0))
    basis = vectors[:, -latent:]
    encoder, decoder = model.encoder.layers[0], model.decoder.layers[0]
    with torch.no_grad():
        encoder.weight.copy_(basis.T / 2)  # it sees 2x − 1
        encoder.bias.copy_(basis.T @ (0.5 - mean))
        decoder.weight.copy_(basis)
        decoder.bias.copy_(mean)
    seen = x.view(300, *shape)
    loss = model.squared_error(2 * seen - 1, seen).losses["squared_error"]
    assert loss.item() == pytest.approx(values[:-latent].sum().item(), rel=1e-6)
    loss.backward()
    assert max(p.grad.abs().max().item() for p in model.parameters()) < 1e-6


def test_codes_let_gradients_through():
    model = autoencoder(Spec(1, 8, 8), latent=2, width=2)
    assert model.encode(pictures(2, (1, 8, 8))).requires_grad
    assert not model.reconstruct(pictures(2, (1, 8, 8))).requires_grad


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_pictures_begin_at_the_mean_of_the_data(output):
    torch.manual_seed(0)
    spec = Spec(3, 16, 16, tones=Tones((0.9, 0.5, 0.2), 0.1))
    model = autoencoder(spec, output=output)
    shown = (model.decode(torch.randn(64, 32)) + 1) / 2
    expected = torch.tensor([0.9, 0.5, 0.2])
    torch.testing.assert_close(shown.mean((0, 2, 3)), expected, atol=0.05, rtol=0)
