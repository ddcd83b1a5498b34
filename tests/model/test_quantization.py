"""The encoder in 8 bits, against the same weights in single precision."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import model
from model import facade
from model.encoder import Encoder, build
from model.errors import WeightsError
from model.onnx_engine import INT8_SHARED, open_graph
from model.onnx_export import EncoderGraph, export
from model.processor import adds_products_of_bytes
from model.quantization import int8_graph, quantised
from model.weights import RELEASED, load_card
from tests.model.test_onnx_engine import check_that_threads_get_what_one_gets, drawn

able = pytest.mark.skipif(
    not adds_products_of_bytes(), reason="this processor has no VNNI: 8 bits are refused on it"
)


@pytest.fixture(scope="module")
def single() -> Encoder:
    return model.load(device="cpu").encoder


@pytest.fixture(scope="module")
def bytewise() -> Encoder:
    return model.load(device="cpu", precision="int8").encoder


@pytest.fixture
def release(tmp_path: Path) -> Path:
    for file in RELEASED.glob("standin-lite0*"):
        shutil.copy(file, tmp_path)
    return tmp_path / "standin-lite0.json"


@able
def test_embeddings_are_close_to_single_precision(single: Encoder, bytewise: Encoder) -> None:
    pixels = drawn(24)
    found, expected = bytewise.embed(pixels), single.embed(pixels)
    assert (single.precision, bytewise.precision) == ("fp32", "int8")
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    cosines = (found * expected).sum(1)
    assert cosines.min() > 0.98
    assert cosines.mean() > 0.99
    # And it is not the same graph under another name.
    assert np.abs(found - expected).max() > 1e-4


@able
def test_plain_tiles_stay_apart(single: Encoder, bytewise: Encoder) -> None:
    """What a stand-in often is: nothing but one colour, where small errors would be all there is
    to tell them by."""
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    pixels = np.broadcast_to(levels[:, None, None, None], (9, 224, 224, 3)).copy()
    found, expected = bytewise.embed(pixels), single.embed(pixels)
    assert (found * expected).sum(1).min() > 0.97


@able
def test_a_batch_is_its_pictures_one_by_one_to_the_bit(bytewise: Encoder) -> None:
    pixels = drawn(5)
    alone = np.concatenate([bytewise.embed(pixels[i : i + 1]) for i in range(5)])
    np.testing.assert_array_equal(bytewise.embed(pixels), alone)


@able
def test_several_threads_get_what_one_gets(bytewise: Encoder) -> None:
    check_that_threads_get_what_one_gets(bytewise)


@able
def test_whole_models_judge_alike() -> None:
    pictures = list(drawn(8))
    support = {"placeholder": pictures[:2], "real": pictures[2:5]}
    said = [
        model.load(device="cpu", precision=precision).adapt(support).score(pictures)
        for precision in ("float", "int8")
    ]
    assert (said[0] - said[1]).abs().max() < 0.05


def test_auto_takes_what_the_processor_is_good_at(monkeypatch: pytest.MonkeyPatch) -> None:
    for able, found in ((True, "int8"), (False, "fp32")):
        monkeypatch.setattr(facade, "adds_products_of_bytes", lambda able=able: able)
        assert model.load(device="cpu", precision="auto").encoder.precision == found
        assert model.load(device="cpu").encoder.precision == "fp32"


def test_where_it_cannot_be_had_it_says_why(monkeypatch: pytest.MonkeyPatch, release: Path) -> None:
    with pytest.raises(WeightsError, match="ONNX Runtime does that, on a CPU"):
        model.load(device="cpu", engine="torch", precision="int8")
    assert model.load(device="cpu", engine="torch", precision="auto").encoder.precision == "fp32"
    monkeypatch.setattr(facade, "adds_products_of_bytes", lambda: False)
    with pytest.raises(WeightsError, match="no VNNI"):
        model.load(device="cpu", precision="int8")
    without = dataclasses.replace(load_card(release), int8_graph="", int8_graph_sha256="")
    release.write_text(without.to_json(), encoding="utf-8")
    with pytest.raises(WeightsError, match="it has no such graph"):
        model.load(release, "cpu", precision="int8")


@able
@pytest.mark.parametrize("ending", ["int8.onnx", "int8.safetensors"])
def test_files_that_were_changed_or_lost_are_refused(release: Path, ending: str) -> None:
    file = release.with_name(f"standin-lite0.{ending}")
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(WeightsError, match=r"is not the (graph|file) that"):
        model.load(release, "cpu", precision="auto")
    assert model.load(release, "cpu").encoder.precision == "fp32"
    file.unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        model.load(release, "cpu", precision="auto")


def test_a_card_names_files_beside_it(release: Path) -> None:
    text = dataclasses.replace(load_card(release), int8_weights="../other.safetensors").to_json()
    release.write_text(text, encoding="utf-8")
    with pytest.raises(WeightsError, match="int8_weights must name a file beside the card"):
        load_card(release)


@pytest.fixture(scope="module")
def small() -> tuple[Encoder, bytes, dict[str, object]]:
    net = build("tf_efficientnet_lite0", 8).eval()
    return Encoder(net, 64), export(EncoderGraph(net), 64, ["embedding"]), dict(net.state_dict())


def test_quantising_keeps_what_matters_in_single_precision(
    small: tuple[Encoder, bytes, dict[str, object]], tmp_path: Path
) -> None:
    encoder, graph, weights = small
    pixels = drawn(12)[:, :64, :64].copy()
    data, own = quantised(graph, weights, pixels)  # type: ignore[arg-type]
    assert quantised(graph, weights, pixels) == (data, own)  # type: ignore[arg-type]
    import onnx
    from safetensors.torch import load

    nodes = onnx.load_from_string(data).graph.node
    tensors = load(own)
    kinds = {name: str(value.dtype) for name, value in tensors.items()}
    assert not set(INT8_SHARED) & kinds.keys()
    assert sum(kind == "torch.int8" for kind in kinds.values()) == 43  # of 49 convolutions
    stem = next(node for node in nodes if node.op_type == "Conv")
    assert kinds[stem.input[1]] == "torch.float32"
    assert len(data) < 250_000  # operations and scales

    path = tmp_path / "small.onnx"
    path.write_bytes(data)
    shared = {name: weights[name] for name in INT8_SHARED}
    session = open_graph(path, hashlib.sha256(data).hexdigest(), tensors | shared)  # type: ignore[arg-type]
    assert isinstance(session, onnxruntime.InferenceSession)
    if adds_products_of_bytes():
        found = session.run(None, {"pixels": pixels})[0]
        assert (found * encoder.embed(pixels)).sum(1).mean() > 0.9  # random weights: hardly trained


def test_a_graph_that_is_too_far_off_is_not_kept(release: Path) -> None:
    """Calibrated on black pictures alone, everything else is cut off."""
    before = {file.name: file.read_bytes() for file in release.parent.iterdir()}
    pixels = np.zeros((8, 224, 224, 3), np.uint8)
    pixels[1::2] = drawn(4)
    with pytest.raises(WeightsError, match="too far from the weights: cosine"):
        int8_graph(release, pixels)
    assert {file.name: file.read_bytes() for file in release.parent.iterdir()} == before


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="x86's names of flags")
@pytest.mark.parametrize(
    ("text", "able"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni\n", True),
        ("flags\t\t: fpu avx_vnni\n", True),
        ("flags\t\t: fpu avx2 avx512f\nbugs\t\t: avx_vnni\n", False),
        ("", False),
    ],
)
def test_the_processors_flags_are_read(tmp_path: Path, text: str, able: bool) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(text, encoding="utf-8")
    assert adds_products_of_bytes(path) is able
    assert adds_products_of_bytes(tmp_path / "nowhere") is False
