"""The models, a room a family; their classes by name: `genarium.models.VAE`."""

from __future__ import annotations

from genarium import lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from genarium.models.autoencoder.autoencoder import Autoencoder as Autoencoder
    from genarium.models.autoencoder.denoising import DenoisingAutoencoder as DenoisingAutoencoder
    from genarium.models.autoencoder.stacked import StackedAutoencoder as StackedAutoencoder
    from genarium.models.autoregressive.autoregressive import Autoregressive as Autoregressive
    from genarium.models.autoregressive.autoregressive import Temperature as Temperature
    from genarium.models.autoregressive.heads import LogisticMixture as LogisticMixture
    from genarium.models.autoregressive.heads import Softmax as Softmax
    from genarium.models.autoregressive.lstm2d import DiagonalBiLSTM as DiagonalBiLSTM
    from genarium.models.autoregressive.lstm2d import RowLSTM as RowLSTM
    from genarium.models.autoregressive.masked import MaskedConv2d as MaskedConv2d
    from genarium.models.autoregressive.pixelcnn import PixelCNN as PixelCNN
    from genarium.models.autoregressive.pixelrnn import PixelRNN as PixelRNN
    from genarium.models.conditioning import Conditioning as Conditioning
    from genarium.models.conditioning import Labels as Labels
    from genarium.models.conditioning import Rows as Rows
    from genarium.models.diffusion.continuous import Continuous as Continuous
    from genarium.models.diffusion.continuous import FlowMatching as FlowMatching
    from genarium.models.diffusion.ddpm import DDPM as DDPM
    from genarium.models.diffusion.edm import EDM as EDM
    from genarium.models.diffusion.mean_flow import MeanFlow as MeanFlow
    from genarium.models.diffusion.model import Diffusion as Diffusion
    from genarium.models.flow.model import Flow as Flow
    from genarium.models.flow.settings import Denoised as Denoised
    from genarium.models.flow.settings import Latents as Latents
    from genarium.models.flow.tarflow import TarFlow as TarFlow
    from genarium.models.gan.gan import GAN as GAN
    from genarium.models.gan.gan import Regularizer as Regularizer
    from genarium.models.gan.gan import Truncation as Truncation
    from genarium.models.gan.gan import Turn as Turn
    from genarium.models.gan.infogan import InfoGAN as InfoGAN
    from genarium.models.gan.invariance import Invariance as Invariance
    from genarium.models.gan.latent_codes import Codes as Codes
    from genarium.models.gan.networks.dense import DenseDiscriminator as DenseDiscriminator
    from genarium.models.gan.networks.dense import DenseGenerator as DenseGenerator
    from genarium.models.gan.networks.residual import ResidualDiscriminator as ResidualDiscriminator
    from genarium.models.gan.networks.residual import ResidualGenerator as ResidualGenerator
    from genarium.models.gan.networks.resize import ResizeGenerator as ResizeGenerator
    from genarium.models.gan.networks.skip_excitation import (
        SkipExcitationDiscriminator as SkipExcitationDiscriminator,
    )
    from genarium.models.gan.networks.skip_excitation import (
        SkipExcitationGenerator as SkipExcitationGenerator,
    )
    from genarium.models.gan.networks.virtual_batch_norm import (
        VirtualBatchNorm2d as VirtualBatchNorm2d,
    )
    from genarium.models.gan.objectives import Hinge as Hinge
    from genarium.models.gan.objectives import LeastSquares as LeastSquares
    from genarium.models.gan.objectives import Minimax as Minimax
    from genarium.models.gan.objectives import NonSaturating as NonSaturating
    from genarium.models.gan.objectives import Objective as Objective
    from genarium.models.gan.objectives import Relativistic as Relativistic
    from genarium.models.gan.objectives import Wasserstein as Wasserstein
    from genarium.models.gan.reconstruction import Reconstruction as Reconstruction
    from genarium.models.gan.regularizers import R1 as R1
    from genarium.models.gan.regularizers import DiffAugment as DiffAugment
    from genarium.models.gan.regularizers import FeatureMatching as FeatureMatching
    from genarium.models.gan.regularizers import GradientPenalty as GradientPenalty
    from genarium.models.gan.regularizers import MinibatchDiscrimination as MinibatchDiscrimination
    from genarium.models.gan.regularizers import SpectralNorm as SpectralNorm
    from genarium.models.gan.regularizers import WeightClipping as WeightClipping
    from genarium.models.text_to_image.captions import Captions as Captions
    from genarium.models.text_to_image.captions import MatchingAware as MatchingAware
    from genarium.models.text_to_image.encoders import CharacterEncoder as CharacterEncoder
    from genarium.models.text_to_image.encoders import SubwordEncoder as SubwordEncoder
    from genarium.models.text_to_image.fusion import FusionGenerator as FusionGenerator
    from genarium.models.text_to_image.text_to_image import TextToImage as TextToImage
    from genarium.models.translation.cyclegan import CycleGAN as CycleGAN
    from genarium.models.translation.networks.patchgan import PatchGAN as PatchGAN
    from genarium.models.translation.networks.resnet import ResnetTranslator as ResnetTranslator
    from genarium.models.translation.networks.unet import UNet as UNet
    from genarium.models.translation.pix2pix import Pix2Pix as Pix2Pix
    from genarium.models.vae.model import VAE as VAE
    from genarium.models.vae.prior import Prior as Prior
    from genarium.models.vae.vae_gan import VAEGAN as VAEGAN

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
