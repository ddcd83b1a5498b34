"""ONNX Runtime's passes, against torch's own over the same weights."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

import model
from model.encoder import Encoder, build
from model.errors import SupportError, WeightsError
from model.experts.words import RELEASED as READER
from model.experts.words import Reader, load_reader, load_reader_card
from model.onnx_engine import OnnxEncoder, OnnxReader, open_graph
from model.onnx_export import EncoderGraph, ReaderGraph, export
from model.weights import RELEASED, find_card, load_card, load_weights, restore_encoder
from tests.model.pictures import scene

OUTPUTS = ["signal", "says_none", "lettering", "place"]


def drawn(n: int, seed: int = 0) -> np.ndarray:
    """(n, 224, 224, 3): smooth colours, whose embeddings differ."""
    found = np.zeros((n, 224, 224, 3), np.uint8)
    for i in range(n):
        found[i] = np.asarray(scene(224, 224, 100 * seed + i))
    return found


@pytest.fixture(scope="module")
def onnx() -> Encoder:
    encoder = model.load(device="cpu").encoder
    assert isinstance(encoder, OnnxEncoder)  # what is shipped comes with its graph
    return encoder


@pytest.fixture(scope="module")
def eager() -> Encoder:
    card, tensors = load_weights(find_card(None))
    return Encoder(restore_encoder(card, tensors), card.image_size)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return load_reader()


@pytest.fixture(scope="module")
def graph_reader(reader: Reader) -> OnnxReader:
    card = load_reader_card(READER)
    path = READER.with_name(card.graph)
    return OnnxReader(open_graph(path, card.graph_sha256, reader.state_dict()))


@pytest.mark.parametrize("n", [1, 2, 19])
def test_embeddings_are_torchs(onnx: Encoder, eager: Encoder, n: int) -> None:
    pixels = drawn(n)
    found, expected = onnx.embed(pixels), eager.embed(pixels)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_no_pictures_and_what_are_none(onnx: Encoder) -> None:
    assert onnx.embed(np.zeros((0, 224, 224, 3), np.uint8)).shape == (0, onnx.dim)
    with pytest.raises(SupportError, match="uint8 pixels of shape"):
        onnx.embed(np.zeros((1, 224, 224, 3), np.float32))


def test_a_batch_is_its_pictures_one_by_one(onnx: Encoder) -> None:
    pixels = drawn(5)
    alone = np.concatenate([onnx.embed(pixels[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(onnx.embed(pixels), alone, atol=1e-6)


def check_that_threads_get_what_one_gets(encoder: Encoder) -> None:
    batches = [drawn(2, seed) for seed in range(8)]
    expected = [encoder.embed(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(encoder.embed, batches * 3))
    for one, other in zip(found, expected * 3, strict=True):
        np.testing.assert_array_equal(one, other)


def test_several_threads_get_what_one_gets(onnx: Encoder) -> None:
    check_that_threads_get_what_one_gets(onnx)


def test_the_network_can_still_be_taken_apart(onnx: Encoder, eager: Encoder) -> None:
    assert torch.equal(onnx.net.projection.weight, eager.net.projection.weight)
    assert onnx.net is onnx.net  # built once


@pytest.mark.parametrize("n", [0, 1, 5])
def test_readings_are_torchs(reader: Reader, graph_reader: OnnxReader, n: int) -> None:
    pixels = torch.from_numpy(drawn(n))
    found, expected = graph_reader.read(pixels), reader.read(pixels)
    for field in dataclasses.fields(found):
        torch.testing.assert_close(
            getattr(found, field.name), getattr(expected, field.name), atol=2e-5, rtol=1e-4
        )


def test_a_reader_refuses_what_is_no_picture(graph_reader: OnnxReader) -> None:
    with pytest.raises(ValueError, match="must be uint8"):
        graph_reader.read(torch.zeros(1, 224, 224, 3))


def test_exporting_gives_a_graph_that_answers_as_the_module(tmp_path: Path) -> None:
    torch.manual_seed(3)
    data = export(ReaderGraph(fresh := Reader(width=16, deep=32).eval()), 64, OUTPUTS)
    path = tmp_path / "small.onnx"
    path.write_bytes(data)
    found = OnnxReader(open_graph(path, hashlib.sha256(data).hexdigest(), fresh.state_dict()))
    pixels = torch.from_numpy(drawn(3)[:, :64, :64].copy())
    expected = fresh.read(pixels)
    torch.testing.assert_close(found.read(pixels).signal, expected.signal, atol=1e-5, rtol=1e-4)
    assert len(data) < 40_000  # operations, no weights


def test_an_encoders_weights_are_all_named_by_the_graph(tmp_path: Path) -> None:
    net = build("tf_efficientnet_lite0", 8).eval()
    data = export(EncoderGraph(net), 64, ["embedding"])
    path = tmp_path / "other.onnx"
    path.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    session = open_graph(path, sha256, net.state_dict())
    pixels = drawn(3)[:, :64, :64].copy()
    expected = Encoder(net, 64).embed(pixels)
    np.testing.assert_allclose(session.run(None, {"pixels": pixels})[0], expected, atol=1e-4)
    lacking = {k: v for k, v in net.state_dict().items() if k != "projection.weight"}
    with pytest.raises(WeightsError, match=r"other\.onnx does not fit its weights"):
        open_graph(path, sha256, lacking)
    with pytest.raises(WeightsError, match="does not fit its weights"):
        open_graph(path, sha256, net.state_dict() | {"strange": torch.zeros(1)})


def test_a_graph_that_was_changed_or_lost_is_refused(tmp_path: Path) -> None:
    for file in RELEASED.glob("standin-lite0*"):
        shutil.copy(file, tmp_path)
    card = tmp_path / "standin-lite0.json"
    graph = card.with_name(load_card(card).graph)
    graph.write_bytes(graph.read_bytes() + b"\0")
    with pytest.raises(WeightsError, match="is not the graph that the card describes"):
        model.load(card, "cpu")
    graph.unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        model.load(card, "cpu")
    assert model.load(card, "cpu", "torch").encoder.engine == "torch"


def test_a_release_without_a_graph_runs_on_torch(tmp_path: Path) -> None:
    for file in RELEASED.glob("standin-lite0*"):
        shutil.copy(file, tmp_path)
    path = tmp_path / "standin-lite0.json"
    without = dataclasses.replace(load_card(path), graph="", graph_sha256="")
    path.write_text(without.to_json(), encoding="utf-8")
    assert model.load(path, "cpu").encoder.engine == "torch"
    with pytest.raises(WeightsError, match="cannot be run by ONNX Runtime: it has no graph"):
        model.load(path, "cpu", "onnxruntime")


def test_whole_models_agree() -> None:
    pictures = list(drawn(6))
    support = {"placeholder": pictures[:2], "real": pictures[2:4]}
    said = [
        model.load(device="cpu", engine=engine).adapt(support).score(pictures)
        for engine in ("torch", "onnxruntime")
    ]
    torch.testing.assert_close(*said, atol=1e-4, rtol=1e-3)
