"""Images with instance masks for training and evaluation, in several formats.

``open_dataset(path, split)`` recognises the format; every format is read into the same
``Sample``:

===================  ================================  ======================================
format               recognised by                     a split is
===================  ================================  ======================================
VOC devkit, CVAT     ``ImageSets/Segmentation/``       ``ImageSets/Segmentation/{split}.txt``
SBD                  ``inst/``                         ``{split}.txt``
COCO, folder         ``annotations/``                  ``annotations/instances_{split}.json``
COCO, file           the path of a ``.json`` file      the file itself
Cityscapes           ``gtFine/``                       ``gtFine/{split}/``
YOLO segmentation    ``data.yaml``                     a key of ``data.yaml``
LabelMe              ``.json`` files with ``shapes``   ``{split}/``, or the folder itself
===================  ================================  ======================================
"""

from streamseg.datasets.cityscapes import CityscapesFolder
from streamseg.datasets.coco import CocoFile
from streamseg.datasets.interface import InstanceDataset
from streamseg.datasets.labelme import LabelMeFolder
from streamseg.datasets.object_maps import MOST_OBJECTS, VOID, ObjectMaps, Sample
from streamseg.datasets.opening import open_dataset
from streamseg.datasets.relabelling import (
    RelabelledDataset,
    mapped_classes,
    taught_classes,
    with_classes,
    with_mapping,
)
from streamseg.datasets.sbd import SbdLayout
from streamseg.datasets.voc import VocLayout
from streamseg.datasets.yolo import YoloFolder

__all__ = [
    "MOST_OBJECTS",
    "VOID",
    "CityscapesFolder",
    "CocoFile",
    "InstanceDataset",
    "LabelMeFolder",
    "ObjectMaps",
    "RelabelledDataset",
    "Sample",
    "SbdLayout",
    "VocLayout",
    "YoloFolder",
    "mapped_classes",
    "open_dataset",
    "taught_classes",
    "with_classes",
    "with_mapping",
]
