"""Releases: written, read back, and refused when anything about them is not as the card says."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file

import model
from model.card import Card, describe
from model.encoder import EncoderNet, build
from model.errors import SupportError, UnreadablePicture, WeightsError
from model.learners import LEARNERS
from model.weights import (
    TrainingSource,
    find_card,
    load_card,
    load_recorded,
    load_weights,
    restore,
    save,
)

DIM = 16
LEARNER = "prior-mixture"
CONFIG = {"embedding_dim": DIM, "components": 2}


def picture(seed: int, name: str = "JPEG") -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).resize((70, 50)).save(out, name)
    return out.getvalue()


def encoder() -> EncoderNet:
    torch.manual_seed(1)
    return build("tf_efficientnet_lite0", DIM)


def write(folder: Path, net: EncoderNet, **changes: Any) -> Path:
    torch.manual_seed(2)
    learner = LEARNERS[LEARNER](**CONFIG)
    state = {key: torch.rand_like(value) for key, value in learner.state_dict().items()}
    fields: dict[str, Any] = {
        "version": "0.0.1",
        "learner_config": CONFIG,
        "training_data": [TrainingSource("drawn", "CC0-1.0", 1200), TrainingSource("a", "MIT", 3)],
        "metrics": {"zero-shot": {"AUROC": 0.98764}, "episodes": 600},
        "git_revision": "0123abc",
        "recorded": [picture(0), picture(1)],
        "image_size": 64,
    }
    return save(folder, "small", net, learner, state, **fields | changes)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("release"), encoder())


@pytest.fixture
def card_path(original: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    shutil.copytree(original.parent, tmp_path / "copy")
    return tmp_path / "copy" / original.name


def rewrite(card_path: Path, **changes: Any) -> None:
    """Change the card, keeping what else it says."""
    card = json.loads(card_path.read_text())
    card_path.write_text(json.dumps(card | changes))


def rewrite_tensors(card_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Change the weights, and the card's checksum with them."""
    path = card_path.with_suffix(".safetensors")
    save_file(tensors, path)
    rewrite(card_path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


# --- a whole release ----------------------------------------------------------------------------


def test_a_release_is_four_files_and_the_card_names_them(original: Path) -> None:
    assert sorted(each.name for each in original.parent.iterdir()) == [
        "small.json",
        "small.md",
        "small.recorded.safetensors",
        "small.safetensors",
    ]
    card = load_card(original)
    weights = original.with_name(card.weights)
    assert card.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert (card.backbone, card.embedding_dim, card.image_size) == (
        "tf_efficientnet_lite0",
        DIM,
        64,
    )
    assert card.training_data[0] == TrainingSource("drawn", "CC0-1.0", 1200)
    assert Card.from_json(card.to_json()) == card


def test_weights_come_back_rounded_to_half_precision(original: Path) -> None:
    card, tensors = load_weights(original)
    assert {value.dtype for value in tensors.values() if value.is_floating_point()} == {
        torch.float16
    }
    restored, _ = restore(card, tensors)
    expected = encoder().state_dict()
    assert restored.state_dict().keys() == expected.keys()
    for key, value in restored.state_dict().items():
        like = expected[key]
        if like.is_floating_point():
            like = torch.from_numpy(like.numpy().astype(np.float16).astype(np.float32))
        assert torch.equal(value, like), key


def test_the_recorded_answers_are_what_the_release_answers(original: Path) -> None:
    recorded = load_recorded(original)
    assert recorded.files == (picture(0), picture(1))
    m = model.load(original, "cpu")
    np.testing.assert_allclose(m.encoder.embed(recorded.pixels), recorded.embeddings, atol=1e-5)
    np.testing.assert_allclose(m.embed(recorded.files), recorded.embeddings, atol=1e-5)
    got = m.adapt().score(recorded.files)
    np.testing.assert_allclose(got, recorded.probabilities, atol=1e-5)


def test_a_release_without_recorded_pictures_can_be_read(tmp_path: Path) -> None:
    recorded = load_recorded(write(tmp_path, encoder(), recorded=[]))
    assert recorded.files == ()
    assert recorded.pixels.shape == (0, 64, 64, 3)
    assert recorded.embeddings.shape == (0, DIM)


def test_the_card_for_people_says_what_the_card_says(original: Path) -> None:
    text = original.with_suffix(".md").read_text()
    card = load_card(original)
    assert text == describe(card)
    for words in (card.sha256, card.git_revision, card.backbone, "1,203", "CC0-1.0", "0.9876"):
        assert words in text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e5])
def test_what_half_precision_cannot_hold_is_not_written(tmp_path: Path, value: float) -> None:
    net = encoder()
    with torch.no_grad():
        net.projection.bias[3] = value
    with pytest.raises(WeightsError, match=r"projection\.bias"):
        write(tmp_path / "new", net)
    assert not (tmp_path / "new").exists()


# --- refusals -----------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.data())
def test_one_changed_byte_anywhere_is_refused(original: Path, data: st.DataObject) -> None:
    path = original.with_suffix(".safetensors")
    good = path.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    try:
        path.write_bytes(
            good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
        )
        with pytest.raises(WeightsError, match="SHA-256"):
            model.load(original, "cpu")
    finally:
        path.write_bytes(good)


def test_a_partial_copy_is_refused(card_path: Path) -> None:
    path = card_path.with_suffix(".safetensors")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match="copied in part"):
        model.load(card_path, "cpu")


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_missing_file_is_named(card_path: Path, suffix: str) -> None:
    card_path.with_suffix(suffix).unlink()
    with pytest.raises(WeightsError, match=f"small{suffix} cannot be read"):
        model.load(card_path, "cpu")


def test_a_pickle_is_not_read_even_with_the_right_checksum(card_path: Path) -> None:
    path = card_path.with_suffix(".safetensors")
    path.write_bytes(pickle.dumps({"encoder.projection.bias": [0.0]}))
    rewrite(card_path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(WeightsError, match="not a safetensors file"):
        model.load(card_path, "cpu")


@pytest.mark.parametrize(
    "field", [each.name for each in dataclasses.fields(Card) if each.default is dataclasses.MISSING]
)
def test_a_card_that_lacks_a_field_is_refused_by_its_name(card_path: Path, field: str) -> None:
    card = json.loads(card_path.read_text())
    del card[field]
    card_path.write_text(json.dumps(card))
    with pytest.raises(WeightsError, match=f"lacks {field}"):
        load_card(card_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colour": "red"}, "colour"),
        ({"image_size": "224"}, "image_size"),
        ({"image_size": True}, "image_size"),
        ({"name": 3}, "name"),
        ({"training_data": [{"source": "a"}]}, "training_data"),
        ({"training_data": ["a"]}, "training_data"),
        ({"weights": "../../other.safetensors"}, "beside the card"),
        ({"weights": ""}, "weights"),
        ({"mean": 0.485}, "mean"),
        ({"backbone": "tf_efficientnet_lite99"}, "lite99"),
        ({"backbone": "resnet10t"}, "tensors"),
        ({"embedding_dim": DIM + 1}, r"projection.*\(17, 16\)|projection"),
        ({"learner": "oracle"}, "oracle"),
        ({"learner_config": {"embedding_dim": DIM, "depth": 2}}, "depth"),
        ({"learner_config": {"embedding_dim": DIM, "components": 3}}, LEARNER),
    ],
)
def test_a_card_that_says_something_else_is_refused(
    card_path: Path, changes: dict[str, Any], words: str
) -> None:
    rewrite(card_path, **changes)
    with pytest.raises(WeightsError, match=words):
        model.load(card_path, "cpu")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"card"', "\ud800"])
def test_what_is_no_card_is_refused(card_path: Path, text: str) -> None:
    card_path.write_text(text, errors="surrogatepass")
    with pytest.raises(WeightsError, match="model card"):
        load_card(card_path)


@pytest.mark.parametrize("key", ["encoder.projection.bias", "encoder.backbone.conv_stem.weight"])
def test_tensors_that_are_missing_extra_or_misshapen_are_named(card_path: Path, key: str) -> None:
    tensors = load_file(card_path.with_suffix(".safetensors"))
    rewrite_tensors(card_path, {name: value for name, value in tensors.items() if name != key})
    with pytest.raises(WeightsError, match=f"lacks 1 tensors.*{key.removeprefix('encoder.')}"):
        model.load(card_path, "cpu")
    rewrite_tensors(card_path, tensors | {f"{key}.more": torch.zeros(2)})
    with pytest.raises(WeightsError, match="too many"):
        model.load(card_path, "cpu")
    rewrite_tensors(card_path, tensors | {key: torch.zeros(5, 5)})
    with pytest.raises(WeightsError, match=r"\(5, 5\)"):
        model.load(card_path, "cpu")
    rewrite_tensors(card_path, tensors | {"optimiser.step": torch.zeros(1)})
    with pytest.raises(WeightsError, match=r"optimiser\.step"):
        model.load(card_path, "cpu")


def test_recorded_answers_that_do_not_fit_together_are_refused(card_path: Path) -> None:
    path = card_path.with_name(load_card(card_path).recorded)
    tensors = load_file(path)
    save_file(tensors | {"embeddings": torch.zeros(5, DIM)}, path)
    with pytest.raises(WeightsError, match="one answer"):
        load_recorded(card_path)
    del tensors["pixels"]
    save_file(tensors, path)
    with pytest.raises(WeightsError, match="pixels"):
        load_recorded(card_path)


# --- where releases are -------------------------------------------------------------------------


def test_a_card_is_found_by_its_path_or_its_folder(original: Path, tmp_path: Path) -> None:
    assert find_card(original) == find_card(str(original.parent)) == original
    with pytest.raises(WeightsError, match="0 model cards"):
        find_card(tmp_path)
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(WeightsError, match="2 model cards"):
        find_card(tmp_path)


# --- the facade ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loaded(original: Path) -> model.Model:
    return model.load(original, "cpu")


def test_every_way_to_give_a_picture_gives_the_same_answer(
    loaded: model.Model, tmp_path: Path
) -> None:
    data = picture(5, "PNG")
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    image = Image.open(io.BytesIO(data))
    rows = loaded.embed([data, path, str(path), image, np.asarray(image), image.convert("RGBA")])
    assert rows.shape == (6, DIM)
    for row in rows:
        torch.testing.assert_close(row, rows[0])


def test_adapting_learns_from_the_examples_and_scoring_changes_nothing(
    loaded: model.Model,
) -> None:
    standins, real = [picture(seed) for seed in (1, 2)], [picture(seed) for seed in (3, 4)]
    adapted = loaded.adapt({"placeholder": standins, "real": real})
    first = adapted.score(standins + real)
    assert first.shape == (4,)
    assert bool(((first > 0) & (first < 1)).all())
    assert first[:2].mean() > first[2:].mean()
    torch.testing.assert_close(adapted.score(standins + real), first, rtol=0, atol=0)
    assert adapted.score([]).shape == (0,)
    assert loaded.embed([]).shape == (0, DIM)


def test_one_label_only_is_enough_and_none_is_the_base_model(loaded: model.Model) -> None:
    pictures = [picture(seed) for seed in range(3)]
    for support in ({"placeholder": pictures}, {"real": pictures}):
        assert bool(loaded.adapt(support).score(pictures).isfinite().all())
    base = loaded.adapt().score(pictures)
    torch.testing.assert_close(loaded.adapt({}).score(pictures), base, rtol=0, atol=0)
    empty: dict[str, list[bytes]] = {"placeholder": [], "real": []}
    torch.testing.assert_close(loaded.adapt(empty).score(pictures), base, rtol=0, atol=0)


def test_a_misspelt_label_is_refused_by_name(loaded: model.Model) -> None:
    with pytest.raises(SupportError, match="'placeholders'"):
        loaded.adapt({"placeholders": [picture(0)]})


@pytest.mark.parametrize(
    "bad",
    [
        b"no picture",
        Path("/nowhere/at/all.jpg"),
        np.zeros((4, 4), dtype=np.uint8),
        np.zeros((4, 4, 3), dtype=np.float32),
        np.zeros((0, 4, 3), dtype=np.uint8),
    ],
)
def test_a_bad_picture_is_refused(loaded: model.Model, bad: Any) -> None:
    with pytest.raises(UnreadablePicture):
        loaded.embed([picture(0), bad])
