"""Your own images, a folder for each class, as torchvision's ImageFolder and Keras read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.api import DATASETS
from benchmarks.datasets._class_folders import ClassFolders, ClassifiedFile, ClassifiedImages, class_folders
from benchmarks.files.mirror import Place, why_not_untrusted
from benchmarks.imaging.exif_orientation import Orientation
from downstream.api import LabelSpace
from downstream.label_spaces import IMAGENET1K, space_of
from downstream.label_spaces.imagenet import imagenet1k

_CURE = "give folders(root=...) the folder that holds one folder for each class"


@DATASETS.register("folders", aliases=("image_folder",))
@dataclass(frozen=True)
class Folders(ClassifiedImages):
    """Images in ``root/CLASS/``, or in ``root/SPLIT/CLASS/`` where a split is named; classes in the order of their
    names.

    Folders that are named by WordNet ids of ImageNet ("n01440764") have the names that ImageNet's classes have
    ("tench"), so classifiers of ImageNet are scored on subsets of it such as Imagenette. Images stand one of each class
    in turn, so that ``--limit`` takes some of each. Images of kinds that are not read are passed over and counted in
    run.json; linked images count, hidden files do not.

    root: the folder. split: the name of a folder below it, or empty. orientation: see ``read_image``.
    """

    root: str
    split: str = ""
    orientation: Orientation = "apply"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None for paths: it only reads images, from wherever they lie."""
        return why_not_untrusted(settings, "root")

    def provenance(self) -> Mapping[str, str]:
        """The folder's name, and how many images are passed over."""
        unread = self._listing().unread
        passed_over = {"passed_over": f"{unread} images of kinds that are not read"} if unread else {}
        return {"source": Path(self.root).name or self.root, "labels": "the names of folders"} | passed_over

    def places(self) -> Sequence[Place]:
        return [Place(self.root, (self.split,))]

    def _listing(self) -> ClassFolders:
        return class_folders(self.places()[0].local() / self.split, _CURE)

    def _files(self) -> Sequence[ClassifiedFile]:
        return self._listing().files

    def _space(self) -> LabelSpace:
        names = self._listing().names
        known = imagenet1k()
        if not set(names) <= set(known.wordnet_ids):
            return LabelSpace("folders", names)
        if names == known.wordnet_ids:
            return space_of(IMAGENET1K)
        called = dict(zip(known.wordnet_ids, known.classes, strict=True))
        return LabelSpace("folders", tuple(called[name] for name in names))
