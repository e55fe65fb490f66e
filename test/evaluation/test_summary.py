from __future__ import annotations

import csv
import re

import numpy as np
import pytest
from scipy import stats

from semalign_ros.errors import OutputError
from semalign_ros.evaluation import worst
from semalign_ros.evaluation.report import paper_tables, write_report, write_tables
from semalign_ros.evaluation.store import ResultStore, read_table
from semalign_ros.evaluation.summary import summarize
from semalign_ros.evaluation.sweep import SweepSettings, sweep

from .conftest import FRAMES


@pytest.fixture(scope="module")
def results(bag, recorded, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "out"
    sweep(SweepSettings(str(bag), vlms=(str(recorded),)), out)
    return out


@pytest.fixture(scope="module")
def summary(results):
    return summarize(results)


def row(summary, condition, severity):
    (found,) = [r for r in summary.language if (r.condition, r.severity) == (condition, severity)]
    return found


def test_clean_answers_are_right(summary):
    clean = row(summary, "clean", 0)
    assert (clean.frames, clean.hr.value, clean.cor.value, clean.smr.value) == (FRAMES, 0, 0, 0)
    assert clean.safety_balanced_accuracy == clean.presence_f1 == clean.kappa == 1
    assert clean.latency_p99_s == 0.25


def test_planted_mistakes_become_the_rates_that_they_are(summary):
    """A bus in every frame; the person and the danger of every fourth frame are missed."""
    blind = row(summary, "occlusion", 2)
    assert blind.hr.value == pytest.approx(1 / 4)
    assert blind.chair_s.value == 1
    assert blind.cor.value == blind.smr.value == blind.flips.value == pytest.approx(1 / 4)
    assert blind.false_safe.value == 1
    assert blind.over_cautious.value == 0
    assert blind.object_omission == pytest.approx(5 / 25)
    assert blind.safety_balanced_accuracy == 0.5
    assert blind.kappa == 0
    # 5 frames got worse and none better
    expected = stats.binomtest(0, 5).pvalue
    assert blind.omission_p == pytest.approx(expected)
    assert blind.misinterpretation_p == pytest.approx(expected)


def test_intervals_are_wilsons(summary):
    smr = row(summary, "occlusion", 2).smr
    expected = stats.binomtest(5, 20).proportion_ci(method="wilson")
    assert (smr.low, smr.high) == pytest.approx((expected.low, expected.high))


def test_a_failed_frame_is_counted_and_not_scored(summary):
    assert row(summary, "low_light", 2).frames == FRAMES - 1
    assert summary.failures == {"inference_error": 1}
    assert summary.frames == FRAMES


def test_constant_answers_stand_beside_the_model(summary):
    assert summary.baselines["always-safe"]["SMR"] == pytest.approx(1 / 4)
    assert summary.baselines["always-safe"]["balanced accuracy"] == 0.5
    assert summary.baselines["always-no"]["COR"] == 1


def test_the_papers_tables_have_a_column_for_each_condition(summary):
    tables = {title: grid for title, _, grid in paper_tables(summary)}
    heads, rows = tables["SMR"]
    assert heads[0] == "clean"
    assert len(heads) == 10
    cells = dict(zip(heads, rows[0][1], strict=True))
    assert cells["clean"] == ".00 [.00, .16]"
    assert cells["occlusion 2"] == ".25 [.11, .47]"


def test_the_page_needs_nothing_else(results, tmp_path):
    page = tmp_path / "report.html"
    write_report(results, page)
    text = page.read_text("utf-8")
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text)
    assert "<svg" in text
    assert "1 inference_error" in text
    with pytest.raises(OutputError, match="exists already"):
        write_report(results, page)


def test_equal_results_give_an_equal_page(results, tmp_path):
    for name in ("a.html", "b.html"):
        write_report(results, tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_csv_says_what_the_summary_says(results, summary, tmp_path):
    write_tables(summary, tmp_path)
    with (tmp_path / "language.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(summary.language)
    assert float(rows[0]["hr"]) == summary.language[0].hr.value
    assert np.isclose(float(rows[-1]["smr_high"]), summary.language[-1].smr.high)


def test_no_evaluation_and_no_rows_are_clear_errors(tmp_path):
    with pytest.raises(OutputError, match="no evaluation there"):
        summarize(tmp_path)
    ResultStore(tmp_path / "new", {"bag": "x"})
    with pytest.raises(OutputError, match="no finished block"):
        summarize(tmp_path / "new")


def test_a_corrupt_block_is_named(results, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(results, copy)
    (copy / "blocks/000001/verdicts.parquet").write_bytes(b"no parquet")
    with pytest.raises(OutputError, match="a block cannot be read"):
        summarize(copy)


@pytest.mark.parametrize(("k", "cor", "hr"), [(1, 1 / 4, 0), (4, 0, 3 / 4 * 1 / 4)])
def test_top_k_claims_k_classes_and_its_floors_are_told(bag, tmp_path, monkeypatch, k, cor, hr):
    """A person beside the car in every fourth frame; three or four classes in each."""
    profile = tmp_path / "dark.yaml"
    profile.write_text(
        "schema_version: 1\nname: dark\nconditions:\n"
        "  - {name: dark, severity: 1, steps: [{corruption: low_light_gamma}]}\n"
    )
    settings = SweepSettings(
        str(bag),
        str(profile),
        vlms=("street_contrastive",),
        protocol="top_k",
        top_k=k,
        device="cpu",
    )
    sweep(settings, tmp_path / "out")
    assert {len(r["claims"]) for r in read_table(tmp_path / "out", "verdicts").to_pylist()} == {k}
    summary = summarize(tmp_path / "out")
    (floor,) = summary.floors
    assert (floor.k, floor.cor, floor.hr) == (k, pytest.approx(cor), pytest.approx(hr))
    assert row(summary, "clean", 0).cor.value >= cor
    assert row(summary, "clean", 0).hr.value >= hr
    told = f"names {k} classes in every frame"
    assert told in " ".join(summary.notes)
    write_report(tmp_path / "out", tmp_path / "page.html")
    assert told in (tmp_path / "page.html").read_text("utf-8")
    drawn = []
    draw = worst.draw_overlay
    monkeypatch.setattr(
        worst, "draw_overlay", lambda judged, **how: drawn.append(judged) or draw(judged, **how)
    )
    worst.worst_pictures(tmp_path / "out", 2)
    # Asked anew for the pictures, in the same way.
    assert [len(j.verdict.degraded.claims.present) for j in drawn] == [k, k]


def test_what_endangers_is_shown_before_what_is_only_over_cautious():
    def judged(
        index, condition, judgment, *, reference="safe", hidden=(), left_out=(), made_up=0.0
    ):
        return {
            "vlm": "m",
            "index": index,
            "condition": condition,
            "severity": 1.0,
            "reference": reference,
            "judgment": judgment,
            "misinterpretation": float(judgment != reference),
            "hallucination": made_up,
            "omitted": [*left_out, *hidden],
            "omitted_visible": list(left_out),
            "visible_critical": ["car", "person"],
        }

    clean = [judged(i, "clean", "safe") for i in (0, 1, 4)]
    clean.append(judged(2, "clean", "unsafe", reference="unsafe"))
    clean.append(judged(3, "clean", "safe", reference="unsafe"))
    over_cautious = judged(0, "occlusion", "unsafe", hidden=("car", "person"))
    misses = judged(1, "fog", "safe", left_out=("person",))
    endangers = judged(2, "fog", "safe", reference="unsafe")
    as_before = judged(3, "fog", "safe", reference="unsafe")
    hidden = judged(4, "occlusion", "safe", hidden=("car", "person"))
    rows = [*clean, over_cautious, misses, endangers, as_before, hidden]
    assert worst.worst_rows(rows, 5) == [endangers, misses, over_cautious]
    assert worst.worst_rows(rows, 2) == [endangers, over_cautious]  # one of each condition
