from __future__ import annotations

import itertools
import json
import multiprocessing
from dataclasses import replace

import pytest

from semalign_ros.bags import BagTopics, read_frames
from semalign_ros.errors import BagError, ConfigError, InferenceError, OutputError
from semalign_ros.evaluation import sweep as sweep_module
from semalign_ros.evaluation.store import ResultStore, read_table
from semalign_ros.evaluation.sweep import SweepSettings, sweep

from .conftest import FRAMES

TIMES = ["latency_s", "stage_s"]


def verdicts(folder):
    return read_table(folder, "verdicts").drop_columns(TIMES)


@pytest.fixture(scope="module")
def done(bag, recorded, tmp_path_factory):
    out = tmp_path_factory.mktemp("done") / "out"
    sweep(SweepSettings(str(bag), vlms=(str(recorded),)), out)
    return out


def test_every_frame_has_a_row_or_a_failure_under_every_condition(done):
    rows, failures = verdicts(done).to_pylist(), read_table(done, "failures").to_pylist()
    keys = [(r["index"], r["condition"], r["severity"]) for r in (*rows, *failures)]
    assert len(keys) == len(set(keys)) == FRAMES * 10
    (failure,) = failures
    assert (failure["index"], failure["condition"], failure["severity"]) == (3, "low_light", 2.0)
    assert failure["reason"] == "inference_error"


def test_rows_say_what_was_planted(done):
    rows = {(r["index"], r["condition"], r["severity"]): r for r in verdicts(done).to_pylist()}
    good, bad = rows[4, "clean", 0.0], rows[4, "occlusion", 2.0]
    assert good["omitted"] == good["hallucinated"] == []
    assert (good["judgment"], good["reference"]) == ("unsafe", "unsafe")
    assert bad["omitted"] == ["person"]
    assert bad["hallucinated"] == ["bus"]
    assert (bad["judgment"], bad["clean_judgment"]) == ("safe", "unsafe")
    assert bad["hallucination"] == pytest.approx(1 / 4)
    assert bad["omission"] == 0.5
    assert bad["misinterpretation"] == 1.0
    assert bad["stamp_ns"] == 10**18 + 4 * 10**8


def test_any_number_of_workers_gives_the_same_rows(bag, recorded, done, tmp_path):
    sweep(SweepSettings(str(bag), vlms=(str(recorded),)), tmp_path / "two", workers=2)
    assert verdicts(tmp_path / "two").equals(verdicts(done))


def test_an_interrupted_run_goes_on_without_a_lost_or_doubled_row(bag, recorded, done, tmp_path):
    out = tmp_path / "out"
    settings = SweepSettings(str(bag), vlms=(str(recorded),))
    with pytest.raises(KeyboardInterrupt):
        sweep(settings, out, progress=_interrupt)
    first = {p: p.stat().st_mtime_ns for p in out.glob("blocks/*/*.parquet")}
    assert first
    assert len(verdicts(out)) < len(verdicts(done))
    sweep(settings, out)
    assert verdicts(out).equals(verdicts(done))
    assert all(p.stat().st_mtime_ns == then for p, then in first.items())


def _interrupt(frames):
    raise KeyboardInterrupt


def test_a_worker_that_is_killed_is_an_error_and_keeps_the_rest(bag, recorded, done, tmp_path):
    settings = SweepSettings(str(bag), vlms=(str(recorded),))

    def kill(_):
        for worker in multiprocessing.active_children():
            worker.kill()

    with pytest.raises(InferenceError, match="a worker process was ended"):
        sweep(settings, tmp_path / "out", workers=2, progress=kill)
    sweep(settings, tmp_path / "out")
    assert verdicts(tmp_path / "out").equals(verdicts(done))


def test_other_settings_are_refused_and_overwrite_starts_anew(bag, recorded, tmp_path):
    out = tmp_path / "out"
    sweep(SweepSettings(str(bag), vlms=(str(recorded),), limit=3), out)
    other = SweepSettings(str(bag), vlms=(str(recorded),), limit=3, seed=1)
    with pytest.raises(OutputError, match="seed: found 0, now 1"):
        sweep(other, out)
    named = replace(other, seed=0, profile="clean")
    with pytest.raises(OutputError, match="profile: found 'paper', now 'clean'"):
        sweep(named, out)
    sweep(other, out, overwrite=True)
    assert len(verdicts(out)) == 30


def test_a_folder_with_other_things_is_left_alone(bag, recorded, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="not empty and holds no evaluation"):
        sweep(SweepSettings(str(bag), vlms=(str(recorded),)), tmp_path, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"vlms": ()}, ConfigError, "at least one --segmenter or --vlm"),
        ({"profile": "papr"}, ConfigError, "papr: no such file"),
        ({"vlm_input": "picture"}, ConfigError, "unknown vlm_input 'picture'"),
        ({"bag": "nowhere"}, BagError, "nowhere"),
        ({"topics": BagTopics(image="/back")}, BagError, "no message on topic /back"),
        ({"limit": 0}, ConfigError, "limit: found 0, expected 1 or more"),
        ({"protocol": "top_k"}, ConfigError, "protocol of a recorded model 'top_k'"),
        ({"top_k": 3}, ConfigError, "top_k: found 3, expected --protocol top_k with it"),
        ({"protocol": "top_k", "top_k": 0}, ConfigError, "top_k: found 0, expected 1 to 19"),
    ],
)
def test_bad_settings_are_refused(bag, recorded, tmp_path, change, error, text):
    settings = {"bag": str(bag), "vlms": (str(recorded),), **change}
    with pytest.raises(error, match=text):
        sweep(SweepSettings(**settings), tmp_path / "out")
    # A mistake leaves nothing in the way of the next try.
    assert not (tmp_path / "out").exists()
    sweep(SweepSettings(str(bag), vlms=(str(recorded),), limit=1), tmp_path / "out")
    assert len(verdicts(tmp_path / "out")) == 10


def test_one_model_twice_is_refused(bag, recorded, tmp_path):
    with pytest.raises(ConfigError, match="given twice"):
        sweep(SweepSettings(str(bag), vlms=(str(recorded), str(recorded))), tmp_path / "out")


def test_a_block_of_another_process_is_not_half_seen(tmp_path):
    store = ResultStore(tmp_path / "out", {"a": 1})
    (tmp_path / "out/blocks").mkdir()
    (tmp_path / "out/blocks/.000000.abc.partial").mkdir()
    assert not store.has(0)
    store.write(0, {})
    assert store.has(0)


def test_no_frame_is_held_longer_than_its_block(bag, recorded, tmp_path, monkeypatch):
    """Memory: at most one block of frames is alive in process."""
    import gc

    from semalign_ros.types import Frame

    def alive():
        gc.collect()
        return sum(type(o) is Frame for o in gc.get_objects())

    before, most = alive(), 0
    real = sweep_module.judge_block

    def counting(models, frames):
        nonlocal most
        most = max(most, alive() - before)
        return real(models, frames)

    monkeypatch.setattr(sweep_module, "judge_block", counting)
    sweep(SweepSettings(str(bag), vlms=(str(recorded),)), tmp_path / "out")
    assert 0 < most <= sweep_module.BLOCK_FRAMES + 1


def test_judgments_of_all_prompts_are_kept(done):
    row = verdicts(done).to_pylist()[0]
    assert json.loads(row["judgments"]) == {"proceed": "unsafe"}


EARLIER = """
schema_version: 1
name: earlier
conditions:
  - name: earlier
    severity: 3
    steps:
      - {corruption: fog, from_s: 0.5, to_s: 1.6, ramp_s: 0.3}
      - {corruption: h264}
      - {corruption: frame_freeze}
      - {corruption: temporal_lag, params: {lag_frames: 5}}
"""


def test_blocks_that_look_back_do_not_depend_on_the_workers(bag, monkeypatch, tmp_path):
    profile = tmp_path / "earlier.yaml"
    profile.write_text(EARLIER)
    settings = SweepSettings(str(bag), str(profile), segmenters=("street_segmenter",), device="cpu")
    sweep(settings, tmp_path / "one")
    sweep(settings, tmp_path / "two", workers=2)
    monkeypatch.setattr(sweep_module, "BLOCK_FRAMES", 3)
    sweep(settings, tmp_path / "small")
    tables = [
        read_table(tmp_path / name, "segmentation").drop_columns(["latency_s"]).sort_by("index")
        for name in ("one", "two", "small")
    ]
    assert tables[0].num_rows == 2 * FRAMES
    assert tables[1].equals(tables[0])
    assert tables[2].equals(tables[0])


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_read_before_a_break_is_judged_with_any_number_of_workers(
    bag, recorded, tmp_path, workers, monkeypatch
):
    def broken(*args, **options):
        yield from itertools.islice(read_frames(*args, **options), 11)
        raise BagError("the file ends here")

    monkeypatch.setattr(sweep_module, "read_frames", broken)
    with pytest.raises(BagError, match="ends here"):
        sweep(SweepSettings(str(bag), vlms=(str(recorded),)), tmp_path / "out", workers=workers)
    assert set(verdicts(tmp_path / "out")["index"].to_pylist()) == set(range(11))
