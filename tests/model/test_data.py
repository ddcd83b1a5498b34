"""Folders with a manifest: what is read, and what is refused with the place of the fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from model.data import load_manifest
from model.errors import ManifestError


def folder(tmp_path: Path, manifest: str) -> Path:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "manifest.csv").write_text(manifest, encoding="utf-8")
    return tmp_path


def test_products_and_standins_are_told_apart_by_their_columns(tmp_path: Path) -> None:
    (product,) = load_manifest(
        folder(tmp_path, "file,group,category,hardtag\na.png,shop,books,text-heavy\n")
    )
    assert (product.is_standin, product.category, product.look) == (False, "books", "lettering")
    (standin,) = load_manifest(folder(tmp_path, "file,group,kind,language\na.png,shop,logo,en\n"))
    assert (standin.is_standin, standin.kind, standin.look) == (True, "logo", "logo")


def test_columns_that_nobody_knows_are_ignored_and_missing_ones_are_empty(tmp_path: Path) -> None:
    (record,) = load_manifest(folder(tmp_path, "file,group,kind,mood\na.png,shop,icon,good\n"))
    assert record.licence == ""


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ("file,kind\na.png,logo\n", "no column 'group'"),
        ("group,kind\nshop,logo\n", "no column 'file'"),
        ("file,group\na.png,shop\n", "either a column 'category'"),
        ("file,group,kind,category\na.png,shop,logo,books\n", "not both"),
        ("file,group,kind\na.png,shop,logo\nb.png,shop,logo\n", "line 3: no picture"),
        ("file,group,kind\n,shop,logo\n", "line 2: no picture"),
        ("", "no column"),
    ],
)
def test_a_manifest_that_cannot_be_is_refused(tmp_path: Path, manifest: str, said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        load_manifest(folder(tmp_path, manifest))


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.csv"):
        load_manifest(tmp_path)
