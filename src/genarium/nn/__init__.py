"""Layers and networks that two or more families use; by name: `genarium.nn.ConvEncoder`."""

from __future__ import annotations

from genarium import lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from genarium.nn.conv import ConvDecoder as ConvDecoder
    from genarium.nn.conv import ConvEncoder as ConvEncoder
    from genarium.nn.conv import Upsample as Upsample
    from genarium.nn.dcgan import DCGANDiscriminator as DCGANDiscriminator
    from genarium.nn.dcgan import DCGANGenerator as DCGANGenerator
    from genarium.nn.distributions import Bernoulli as Bernoulli
    from genarium.nn.distributions import Gaussian as Gaussian
    from genarium.nn.distributions import Likelihood as Likelihood
    from genarium.nn.distributions import Logistic as Logistic
    from genarium.nn.mlp import DenseDecoder as DenseDecoder
    from genarium.nn.mlp import DenseEncoder as DenseEncoder
    from genarium.nn.norm import BatchNorm1d as BatchNorm1d
    from genarium.nn.norm import BatchNorm2d as BatchNorm2d
    from genarium.nn.norm import InstanceNorm2d as InstanceNorm2d
    from genarium.nn.patches import Conv2d as Conv2d
    from genarium.nn.patches import ConvTranspose2d as ConvTranspose2d
    from genarium.nn.strided import StridedDecoder as StridedDecoder
    from genarium.nn.strided import StridedEncoder as StridedEncoder

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
