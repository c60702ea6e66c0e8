"""The report of an evaluation: ``report.html`` for people, ``report.json`` for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from streamseg.evaluate.evaluation import CURVE_THRESHOLDS, Evaluation
from streamseg.evaluate.mistakes import KINDS
from streamseg.evaluate.provenance import Provenance
from streamseg.evaluate.report.charts import Points, line_chart
from streamseg.evaluate.report.gallery import DRAWN_SCORE, Exhibit, Gallery
from streamseg.evaluate.report.page import Page, Section, Table, percent, write_page

PROTOCOL: Final = (
    "A prediction is compared with the objects of its class in its image and belongs to the one "
    "of highest IoU, whether another has it already or not.",
    "Over all images, predictions are taken by falling score; equal scores keep their order. "
    "One that reaches the IoU on an object that is still free is a true positive, every other one "
    "a false positive: several predictions on one object are one true positive at most.",
    "AP is the whole area under the precision-recall curve, precision made monotonically "
    "decreasing. Classes without objects have none and no part in the mean.",
    "Void pixels, among them VOC's difficult objects, count in neither intersection nor union. "
    "COCO's AP alone takes them for background.",
    "With a least area, smaller objects are neither found nor missed. COCO's AP alone knows no "
    "least area.",
    "Rules 1 to 3 are those of chainercv's eval_instance_segmentation_voc, after Hariharan et al. "
    "2014; COCO's AP is computed by pycocotools.",
)


def write_report(
    folder: Path, evaluation: Evaluation, gallery: Gallery, provenance: Provenance
) -> Path:
    """Write the report.

    Args:
        folder: an existing folder.
        evaluation: all scores.
        gallery: best and worst images.
        provenance: what was evaluated.

    Returns:
        The page.

    Raises:
        SinkError: a file cannot be written.
    """
    page = Page(
        "streamseg evaluation",
        provenance.lines(),
        [
            _classes(evaluation),
            _curves(evaluation),
            _recall(evaluation),
            _coco(evaluation),
            _mistakes(evaluation),
            _confusion(evaluation),
            _images("Best images", gallery.best()),
            _images("Worst images", gallery.worst()),
            Section("Protocol", "How predictions are judged.", rules=PROTOCOL),
        ],
        _headline(evaluation),
    )
    exhibits = {
        name: [{"id": exhibit.image_id, "quality": exhibit.quality} for exhibit in shown]
        for name, shown in (("best", gallery.best()), ("worst", gallery.worst()))
    }
    values = {**provenance.to_json(), **evaluation.to_json(), "images": exhibits}
    return write_page(folder, "report", page, values)


def _headline(evaluation: Evaluation) -> list[tuple[str, str]]:
    voc = evaluation.voc
    at = dict(zip(voc.thresholds, voc.map_r, strict=True))
    return [
        *((f"mAP^r at IoU {t:g}", percent(at[t])) for t in CURVE_THRESHOLDS),
        ("mAP^r_vol", percent(voc.map_vol)),
        ("COCO AP", percent(evaluation.coco.ap)),
        ("average recall", percent(evaluation.recall.average_recall[-1])),
    ]


def _classes(evaluation: Evaluation) -> Section:
    voc = evaluation.voc
    seen = voc.object_count + voc.ignored_count + voc.prediction_count > 0
    rows = [
        [
            voc.class_names[c],
            str(voc.object_count[c]),
            str(voc.prediction_count[c]),
            *(percent(ap) for ap in voc.ap[c]),
            percent(voc.ap[c].mean()),
        ]
        for c in np.flatnonzero(seen)
    ]
    total = ["mean", str(voc.object_count.sum()), str(voc.prediction_count.sum())]
    total += [*(percent(ap) for ap in voc.map_r), percent(voc.map_vol)]
    head = ["class", "objects", "predicted", *(f"{t:g}" for t in voc.thresholds), "mean"]
    ignored = int(voc.ignored_count.sum())
    small = f" {ignored} objects under {voc.min_area_px} px were ignored." if ignored else ""
    note = (
        "AP^r in percent at each IoU, and the mean over these; that of all classes is "
        f"mAP^r_vol.{small}"
    )
    return Section("Average precision by class", note, table=Table(head, rows, total))


def _curves(evaluation: Evaluation) -> Section:
    charts = [
        line_chart(
            {f"IoU {t:g}": _steps(*curve) for t, curve in curves.items()},
            title=name,
            x_label="recall",
            y_label="precision",
            x_range=(0, 1),
        )
        for name, curves in evaluation.curves.items()
    ]
    note = "Precision at each recall, made monotonically decreasing: AP is the area below."
    return Section("Precision and recall", note, charts)


def _steps(recall: Iterable[float], precision: Iterable[float]) -> tuple[list[float], list[float]]:
    """Let a curve begin at recall 0, and fall to 0 where recall ends."""
    r, p = list(recall), list(precision)
    return ([0.0, *r, r[-1]], [p[0], *p, 0.0]) if r else ([0.0], [0.0])


def _recall(evaluation: Evaluation) -> Section:
    recall = evaluation.recall
    if not recall.object_count:
        return Section("Objects covered", "There were no objects.")
    at: dict[str, Points] = {
        f"IoU {t:g}": (recall.counts, recall.recall[:, recall.thresholds.index(t)])
        for t in CURVE_THRESHOLDS
    }
    by_count = line_chart(
        {**at, "AR": (recall.counts, recall.average_recall)},
        title="recall against proposals",
        x_label="proposals per image",
        y_label="recall",
        x_range=(0, recall.counts[-1]),
        width=440,
        dots=True,
    )
    chosen = [i for i, n in enumerate(recall.counts) if n in (10, 50, 100)]
    by_iou = line_chart(
        {f"{recall.counts[i]} proposals": (recall.thresholds, recall.recall[i]) for i in chosen},
        title="recall against IoU",
        x_label="IoU",
        y_label="recall",
        x_range=(0.5, 1),
        width=440,
        dots=True,
    )
    rows = [
        [str(n), *(percent(v) for v in row), percent(mean)]
        for n, row, mean in zip(recall.counts, recall.recall, recall.average_recall, strict=True)
    ]
    head = ["proposals", *(f"{t:g}" for t in recall.thresholds), "AR"]
    note = (
        "Objects that one of the first proposals reaches the IoU with, whatever its class; percent "
        "in the table. Where fewer were proposed, all of them stand for the rest of the curve."
    )
    return Section("Objects covered", note, [by_count, by_iou], Table(head, rows))


def _coco(evaluation: Evaluation) -> Section:
    values = evaluation.coco.to_json()
    head = [name.upper().replace("_", " ") for name in values]
    row = [percent(float("nan") if v is None else v) for v in values.values()]
    note = "COCO's twelve numbers in percent, for comparison with papers that report them."
    return Section("COCO", note, table=Table(head, [row]))


def _mistakes(evaluation: Evaluation) -> Section:
    mistakes = evaluation.mistakes
    rows = [
        [kind, str(count), percent(cost)]
        for kind, count, cost in zip(KINDS, mistakes.count.sum(axis=0), mistakes.cost, strict=True)
    ]
    note = (
        f"At IoU {mistakes.threshold:g}. The cost is what mAP^r would rise by, in points, without "
        "the false positives of that kind, or were all missed objects found; costs do not add up."
    )
    return Section("Mistakes", note, table=Table(["kind", "number", "cost"], rows))


def _confusion(evaluation: Evaluation) -> Section:
    counts = evaluation.confusion
    (present,) = np.nonzero(counts.sum(axis=1))
    names = [*evaluation.voc.class_names, "missed"]
    columns = [c for c in range(len(names)) if counts[:, c].any() or c in present]
    rows, shades = [], []
    for c in present:
        share = counts[c] / counts[c].sum()
        rows.append([names[c], *(str(counts[c, column] or "") for column in columns)])
        shades.append(["", *(_shade(float(share[column]), column == c) for column in columns)])
    note = (
        "Row: the object's class. Column: the class of the highest-scoring prediction that reaches "
        "IoU 0.5 with it, or missed if none does."
    )
    table = Table(["", *(names[c] for c in columns)], rows, shades=shades)
    return Section("What objects are taken for", note, table=table)


def _shade(share: float, is_right: bool) -> str:
    hue = "5,150,105" if is_right else "220,38,38"
    return f"rgba({hue},{share:.2f})" if share else ""


def _images(title: str, shown: Sequence[Exhibit]) -> Section:
    note = (
        "Left the truth, right the predictions with a score of at least "
        f"{DRAWN_SCORE:g}, without those that others of higher score mostly cover. AP over the "
        "image's objects of all classes together, mean over the nine IoUs."
    )
    return Section(title, note, exhibits=shown)
