"""Exported shards are read back by training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest

from benchmarks.api import DATASETS
from benchmarks.cli.export_shards import main
from benchmarks.files.held_out import held_out
from benchmarks.training_data.export import export
from downstream.api import Detections, LabelSpace, SegmentationMap
from downstream.label_spaces import ROADSCENES
from downstream.training.map_shards import read_maps
from downstream.training.shards import read_frames
from hsc.errors import DataError, UsageError
from hsc.training.shards import read_frames as read_codec_frames
from hsc.training.teacher import train_teacher


@dataclass(frozen=True)
class Rendered:
    """Five frames; frame i holds i boxes, the first ignored."""

    images: int = 5
    revision: str = "r1"

    def __len__(self):
        return self.images

    def label_space(self, kind):
        return ROADSCENES if kind is Detections else None

    def image_ids(self):
        return [f"r-{i}" for i in range(self.images)]

    def frame(self, index):
        return SimpleNamespace(
            image=np.full((4, 6, 3), index, np.uint8),
            semantic=np.full((4, 6), index, np.uint8),
            boxes_xyxy=np.full((index, 4), index, np.float32),
            classes=np.arange(index),
            iscrowd=np.arange(index) == 0,
        )


@dataclass(frozen=True)
class Relit(Rendered):
    """Its frames can be had in another light."""

    def relit(self, index, light_of):
        return np.full((4, 6, 3), 100 + 10 * index + light_of, np.uint8)


def test_scenes_in_another_light_go_beside_their_own(tmp_path):
    export(Relit(), tmp_path, relit=True)
    frames = read_codec_frames(tmp_path)
    assert [int(image[0, 0, 0]) for image in frames.relit] == [100 + 10 * i + (i + 1009) % 5 for i in range(5)]
    assert (frames.classes, [list(labels) for labels in frames.labels]) == (
        len(ROADSCENES.classes),
        [[], [], [1], [1, 2], [1, 2, 3]],
    )
    with pytest.raises(UsageError, match="leave out --relit"):
        export(Rendered(), tmp_path / "other", relit=True)
    export(Rendered(), tmp_path / "half", first=0, count=2)
    (tmp_path / "half" / "more.npz").write_bytes((tmp_path / "000000.npz").read_bytes())
    with pytest.raises(DataError, match="disagree"):
        read_codec_frames(tmp_path / "half")


def test_goes_round(tmp_path):
    assert export(Rendered(), tmp_path, first=1, count=4, shard=3) == 2
    frames = read_frames(tmp_path)
    assert frames.classes == ROADSCENES.classes
    assert frames.source.endswith("revision r1 images 1 to 4")
    assert [int(image[0, 0, 0]) for image in frames.images] == [1, 2, 3, 4]
    assert [len(boxes.labels) for boxes in frames.boxes] == [1, 2, 3, 4]
    np.testing.assert_array_equal(frames.boxes[3].labels, [0, 1, 2, 3])
    np.testing.assert_array_equal(frames.boxes[3].ignored, [True, False, False, False])


def test_goes_on_where_it_was(tmp_path):
    export(Rendered(), tmp_path, first=0, count=5, shard=2)
    (tmp_path / "000002.npz").unlink()
    assert export(Rendered(), tmp_path, first=0, count=5, shard=2) == 1


def test_refuses_what_is_not_there(tmp_path, capsys):
    with pytest.raises(UsageError, match="give it images=7"):
        export(Rendered(), tmp_path, first=3, count=4)
    with pytest.raises(UsageError, match="no frames"):
        export(SimpleDataset(), tmp_path, first=0, count=1)
    assert main(["no_such_set", "--out", str(tmp_path), "--count", "1"]) == 2
    assert "no_such_set" in capsys.readouterr().err


@dataclass(frozen=True)
class SimpleDataset:
    """Images with boxes, not rendered."""

    def __len__(self):
        return 1

    def label_space(self, kind):
        return ROADSCENES if kind is Detections else None

    def image_ids(self):
        return ["one"]


@dataclass(frozen=True)
class Mapped:
    """Six photos of two drives and two sizes, with label maps and no boxes."""

    root: str = ""
    revision: str = "r2"

    def __len__(self):
        return 6

    def image_ids(self):
        return [f"{'A' if i % 2 else 'B'}{i}" for i in range(6)]

    def label_space(self, kind):
        return LabelSpace("two", ("road", "sky")) if kind is SegmentationMap else None

    def load(self, index):
        return SimpleNamespace(image=np.full((4, 8 if index == 3 else 6, 3), index, np.uint8))

    def label_map(self, index):
        return SegmentationMap(np.full((4, 8 if index == 3 else 6), index % 2, np.uint8))


def test_label_maps_go_round_in_any_size(tmp_path):
    assert export(Mapped(root="/home/somebody/photos"), tmp_path, shard=4) == 3
    assert sorted(p.name for p in tmp_path.glob("*.npz")) == ["000000-1.npz", "000000.npz", "000004.npz"]
    maps = read_maps(tmp_path)
    assert maps.space == LabelSpace("two", ("road", "sky"))
    assert sorted(int(image[0, 0, 0]) for image in maps.images) == [0, 1, 2, 3, 4, 5]
    for image, labels in zip(maps.images, maps.labels, strict=True):
        assert image.shape[:2] == labels.shape
        assert image[0, 0, 0] % 2 == labels[0, 0]
    assert "root=photos" in maps.source
    assert "somebody" not in maps.source
    assert export(Mapped(), tmp_path, shard=4) == 0
    with pytest.raises(DataError, match="boxes"):
        read_frames(tmp_path)


def test_a_folder_of_photographs_gives_images_alone_in_any_size_without_those_held_out(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    sizes = [(40, 64), (64, 40), (40, 64), (48, 48), (64, 40), (80, 96), (40, 64)]
    for i, (height, width) in enumerate(sizes):
        PIL.Image.fromarray(np.full((height, width, 3), 10 * i, np.uint8)).save(photos / f"cat-{i}.png")
    spec = f'images(path="{photos}")'
    assert main([spec, "--hold-out", "2", "--shard", "4", "--out", str(tmp_path / "shards")]) == 0
    frames = read_codec_frames(tmp_path / "shards")
    apart = DATASETS.build(f'images(path="{photos}", held_out=2)')
    levels = {int(image[0, 0, 0]) for image in frames.images}
    held = {int(apart.load(i).image[0, 0, 0]) for i in range(len(apart))}
    names = sorted((f"cat-{i}.png" for i in range(7)), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert sorted(apart.image_ids()) == sorted(names[:2])
    assert (len(levels), len(held), levels & held, levels | held) == (5, 2, set(), {0, 10, 20, 30, 40, 50, 60})
    for image, semantic in zip(frames.images, frames.semantic, strict=True):
        assert image.shape[:2] == semantic.shape == sizes[int(image[0, 0, 0]) // 10]
        assert (semantic == 255).all()
    assert frames.source.count("revision") == 2  # one for each shard, not for each size
    assert "2 images held out" in frames.source
    with pytest.raises(DataError, match="semantic"):
        read_maps(tmp_path / "shards")
    with pytest.raises(DataError, match="label maps"):
        train_teacher(tmp_path / "shards", tmp_path / "teacher.safetensors", steps=1)
    assert main([spec, "--hold-out", "7", "--out", str(tmp_path / "none")]) == 2


def test_who_is_held_out_follows_from_the_names_alone():
    names = [f"{kind}-{i:04}.jpg" for kind in ("ant", "cup") for i in range(50)]
    apart = held_out(names, 30)
    assert len(apart) == 30
    assert apart == held_out(names[::-1], 30)
    assert held_out(names, 10) < apart < set(names)
    assert len(apart - held_out([*names, "new.jpg"], 30)) <= 1
    assert held_out(names, 0) == set()
    for count in (-1, 100):
        with pytest.raises(UsageError, match="hold out"):
            held_out(names, count)


def test_names_choose(tmp_path):
    export(Mapped(), tmp_path / "kept", keep="A")
    export(Mapped(), tmp_path / "rest", leave_out="A", first=1)
    assert [int(image[0, 0, 0]) for image in read_maps(tmp_path / "kept").images] == [3, 1, 5]
    rest = read_maps(tmp_path / "rest")
    assert [int(image[0, 0, 0]) for image in rest.images] == [2, 4]
    assert "without A*" in rest.source
    with pytest.raises(UsageError, match="another beginning"):
        export(Mapped(), tmp_path, keep="C")
