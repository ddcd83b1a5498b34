"""Pixels to embeddings, compared with timm's own network and with plain arithmetic."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.encoder import Encoder, EncoderNet, build, choose_device, normalise
from model.errors import DeviceError, SupportError

BACKBONE = "tf_efficientnet_lite0"
SIDE = 64
cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@cache
def net(dim: int | None = 24, backbone: str = BACKBONE) -> EncoderNet:
    """Random weights that tell pictures apart: an untrained network's batch norm barely does."""
    torch.manual_seed(3)
    made = build(backbone, dim)
    made.train()
    with torch.no_grad():
        for seed in range(20):
            made(normalise(torch.from_numpy(pixels(8, seed))))
    return made.eval()


def pixels(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(SIDE // 4, axis=1).repeat(SIDE // 4, axis=2)


def test_normalise_maps_black_to_minus_one_and_white_to_one() -> None:
    x = pixels(2)
    expected = (x.transpose(0, 3, 1, 2) / 255 - 0.5) / 0.5
    got = normalise(torch.from_numpy(x))
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-6)
    assert got.is_contiguous(memory_format=torch.channels_last)


def test_the_network_is_timms_with_a_projection_between_unit_lengths() -> None:
    mine = net()
    theirs = timm.create_model(BACKBONE, pretrained=False, num_classes=0).eval()
    theirs.load_state_dict(mine.backbone.state_dict())
    x = normalise(torch.from_numpy(pixels(3)))
    with torch.no_grad():
        features = theirs(x).numpy().astype(np.float64)
        pooled, got = mine.pooled(x).numpy(), mine(x).numpy()
    assert features.shape == (3, 1280)
    np.testing.assert_allclose(pooled, features, rtol=1e-4, atol=1e-5)
    weight = mine.projection.weight.detach().numpy().astype(np.float64)
    bias = mine.projection.bias.detach().numpy().astype(np.float64)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    expected = features @ weight.T + bias
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("dim", [None, 0])
def test_without_a_projection_the_pooled_features_are_scaled_to_unit_length(
    dim: int | None,
) -> None:
    plain = net(dim)
    assert plain.dim == 1280
    x = normalise(torch.from_numpy(pixels(2)))
    with torch.no_grad():
        pooled = plain.pooled(x)
        np.testing.assert_allclose(
            plain(x), pooled / pooled.norm(dim=1, keepdim=True), rtol=1e-5, atol=1e-7
        )
    assert not any(key.startswith("projection") for key in plain.state_dict())


@pytest.mark.parametrize("blocks", range(8))
def test_trunk_and_upper_part_make_the_whole_at_every_split(blocks: int) -> None:
    x = normalise(torch.from_numpy(pixels(2)))
    with torch.no_grad():
        h = net().trunk(x, blocks)
        torch.testing.assert_close(net().upper(h, blocks), net()(x))
        torch.testing.assert_close(net().upper_pooled(h, blocks), net().pooled(x))


@pytest.mark.parametrize("blocks", [-1, 8])
def test_a_split_that_does_not_exist_is_refused(blocks: int) -> None:
    with pytest.raises(SupportError, match="7 blocks"):
        net().trunk(torch.zeros(1, 3, 32, 32), blocks)


def test_other_backbones_embed_and_say_that_they_cannot_be_split() -> None:
    other = net(8, "resnet10t")
    x = normalise(torch.from_numpy(pixels(2)))
    with torch.no_grad():
        assert other(x).shape == (2, 8)
    with pytest.raises(SupportError, match="resnet10t"):
        other.trunk(x, 1)


@settings(max_examples=8)
@given(st.integers(0, 40))
def test_batches_agree_with_one_by_one(n: int) -> None:
    encoder = Encoder(net(), SIDE)
    x = pixels(n, seed=n)
    got = encoder.embed(x)
    assert got.shape == (n, encoder.dim)
    assert got.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)
    for each, row in zip(x, got, strict=True):
        np.testing.assert_allclose(encoder.embed(each[None])[0], row, atol=1e-5)


def test_the_encoder_says_what_it_is() -> None:
    encoder = Encoder(net(), SIDE)
    described = (encoder.backbone, encoder.image_size, encoder.dim, encoder.precision)
    assert described == (BACKBONE, SIDE, 24, "fp32")
    assert encoder.device == torch.device("cpu")
    assert not encoder.net.training
    assert not any(each.requires_grad for each in encoder.net.parameters())


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, SIDE, SIDE, 3), dtype=np.float32),
        np.zeros((2, SIDE, SIDE + 1, 3), dtype=np.uint8),
        np.zeros((2, 3, SIDE, SIDE), dtype=np.uint8),
        np.zeros((SIDE, SIDE, 3), dtype=np.uint8),
    ],
)
def test_other_shapes_and_types_are_refused_by_name(wrong: np.ndarray) -> None:
    with pytest.raises(SupportError, match="uint8 pixels of shape"):
        Encoder(net(), SIDE).embed(wrong)


def test_a_device_that_is_not_there_is_refused() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cpu", "cuda")
    for name in ("tpu-9", "mps", "meta", f"cuda:{torch.cuda.device_count()}"):
        with pytest.raises(DeviceError, match=name):
            choose_device(name)


@pytest.mark.cuda
@cuda
def test_cuda_agrees_with_the_cpu_within_the_stated_tolerance() -> None:
    x = pixels(64)
    torch.manual_seed(3)
    gpu_net = build(BACKBONE, 24)
    gpu_net.load_state_dict(net().state_dict())
    on_cpu = Encoder(net(), SIDE).embed(x)
    gpu = Encoder(gpu_net, SIDE, choose_device("cuda"))
    assert gpu.precision == "fp16"
    assert ((on_cpu * gpu.embed(x)).sum(axis=1)).min() > 0.999


def test_a_fresh_process_imports_timm_only_when_an_encoder_is_built() -> None:
    # Also shows that timm can be imported where torchvision's operators do not load.
    program = (
        "import sys, model; assert 'timm' not in sys.modules;"
        "from model.encoder import build; print(build('resnet10t', 4).dim)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "4"), done.stderr
