"""From records on disk to the report and its pages."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from suite.errors import SuiteError
from suite.judging.claims.freeze import add_later, design_anew, freeze
from suite.judging.claims.load import load_claims
from suite.report.claims import write_claims
from suite.report.plans import standing_sentence
from suite.report.topics import found_of_claims
from suite.settings.finetuned import load_finetuned
from suite.settings.params import load_settings
from suite.settings.paths import FINETUNED_FILE
from tests.helpers.paths import ROOT
from tests.suite.judging.claims.synthetic import run, runs, values_of, write

WIGGLE = np.array([0.1, -0.2, 0.15, -0.1, 0.05])


@pytest.fixture
def project(workplace):
    for name in ("params.yaml", FINETUNED_FILE):
        (workplace / name).parent.mkdir(parents=True, exist_ok=True)
        (workplace / name).write_text((ROOT / name).read_text())
    folder = workplace / "claims"
    folder.mkdir()
    for name, changes in (("first", {}), ("second", {"datasets": ["emoji", "furniture"], "family": "two"})):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(values_of("superiority", **changes) | {"id": name}))
    return workplace


def test_report_and_pages(project):
    write("runs", runs(52 + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml"))
    found = write_claims(load_settings(), project / "claims")
    assert json.loads(Path("results/claims.json").read_text()) == found
    first, second = found["claims"]
    (line,) = first["lines"]
    assert (first["verdict"], line["n"], line["effect"]) == ("supported", 5, pytest.approx(2.0))
    assert [line["verdict"] for line in second["lines"]] == ["supported", "not run"]
    assert second["verdict"] == "not run"
    page = Path("results/claims.md").read_text()
    assert "| first | emoji | supported | +2.00 [" in page
    assert "| second | all | supported (1 of 2 data sets), not run (1 of 2) |" in page
    assert found["claims_sha256"] in page
    assert page.index("| question | judged | claims | results, a claim on a data set each | fragile |") < page.index(
        "| first | emoji |"
    )
    assert "| first | emoji | supported | not run | same |" in Path("results/sensitivity.md").read_text()


def test_what_cannot_be_compared_is_named_in_page_and_report(project):
    write("runs", runs(52 + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml"))
    assert write_claims(load_settings(), project / "claims")["left_out"] == []
    assert "## Left out" not in Path("results/claims.md").read_text()
    write("extended", runs(50 + WIGGLE[1:], loss="supcon"))
    (told,) = write_claims(load_settings(), project / "claims")["left_out"]
    assert told.startswith("results/studies/extended: runs of supcon on emoji have other seeds")
    page = Path("results/claims.md").read_text()
    head = "## Left out\n\nRecords of studies in git that cannot be compared with the runs of the grid:\n\n"
    assert f"{head}- {told}\n" in page


def test_each_regime_has_its_own_verdicts(project):
    """The same claim, supported on frozen features and contradicted where the last stages learn."""
    settings = load_settings()
    write("runs", runs(52 + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml"))
    frozen = write_claims(settings, project / "claims")
    with pytest.raises(
        SuiteError, match=r"finetuned/runs/ holds no run .*; run: dvc repro pipelines/finetuned/dvc\.yaml"
    ):
        write_claims(settings, project / "claims", "finetuned")
    finetuned = runs(48 + WIGGLE, regime="finetuned") + runs(50 - WIGGLE / 2, loss="cpml", regime="finetuned")
    for loss in ("pfml", "cpml"):
        path = Path(f"finetuned/runs/emoji-{loss}/records.jsonl")
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps(record) + "\n" for record in finetuned if record["loss"] == loss))
    found = write_claims(settings, project / "claims", "finetuned")
    assert json.loads(Path("results/finetuned/claims.json").read_text()) == found
    assert {claim["regime"] for claim in found["claims"]} == {"finetuned"}
    (line,) = found["claims"][0]["lines"]
    assert line["verdict"] == "contradicted"
    assert "not found with fine-tuning on embedded data" in Path("results/finetuned/claims.md").read_text()
    assert write_claims(settings, project / "claims") == frozen


def test_runs_that_params_yaml_names_no_more_do_not_count(project):
    settings = load_settings()
    with pytest.raises(
        SuiteError, match=r"runs/ holds no run of the losses and data sets of params\.yaml; run: dvc repro"
    ):
        write_claims(settings)
    write("runs", runs(50 + WIGGLE))
    before = write_claims(settings)
    write("runs", [run(50.0, 0, loss="gone"), run(50.0, settings.seeds)], "stale")
    assert write_claims(settings) == before


def test_the_report_is_a_function_of_the_records(project):
    write("runs", runs(52 + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml"))
    names = ("claims.json", "claims.md", "sensitivity.md")
    write_claims(load_settings(), project / "claims")
    first = [(project / "results" / name).read_bytes() for name in names]
    write_claims(load_settings(), project / "claims")
    assert [(project / "results" / name).read_bytes() for name in names] == first


def report_of(project, records, **changes):
    """The report on one claim, and its row on emoji."""
    for path in (project / "claims").iterdir():
        path.unlink()
    values = values_of("superiority", **changes) | {"id": "first"}
    (project / "claims/first.yaml").write_text(yaml.safe_dump(values))
    write("runs", records)
    (claim,) = write_claims(load_settings(), project / "claims")["claims"]
    (row,) = [row for row in Path("results/claims.md").read_text().splitlines() if row.startswith("| first | emoji |")]
    return claim, [cell.strip() for cell in row.strip("|").split("|")]


def compared(recall, map_at_r, **more):
    mine = [run(50 + recall + w, s, map_at_r=20 + map_at_r + w, **more) for s, w in enumerate(WIGGLE)]
    return mine + [run(50 - w / 2, s, loss="cpml", map_at_r=20 - w / 2, **more) for s, w in enumerate(WIGGLE)]


def test_both_metrics_are_judged_and_the_verdict_says_which_gave_what(project):
    claim, row = report_of(project, compared(2.0, 1.5))
    (line,) = claim["lines"]
    assert (line["verdict"], line["shown"], line["metric"]) == ("supported", "supported", "recall_at_1")
    other = line["other_metric"]
    assert (other["metric"], other["verdict"], other["effect"]) == ("map_at_r", "supported", pytest.approx(1.5))
    assert row[2] == "supported"
    assert row[4].startswith("+1.50 [+1.")
    claim, row = report_of(project, compared(2.0, -1.5))
    assert claim["lines"][0]["verdict"] == "supported"
    assert row[2] == "supported by R@1, not found on frozen features by MAP@R, fragile"
    assert claim["shown"] == "supported (1 of 1 data sets)"


def test_contradicted_stays_for_machines_and_is_not_said_of_frozen_features(project):
    claim, row = report_of(project, compared(-2.0, -1.5))
    assert (claim["verdict"], claim["lines"][0]["verdict"]) == ("contradicted", "contradicted")
    assert row[2] == "not found on frozen features"
    assert "contradicted" not in Path("results/claims.md").read_text().split("## one")[1]
    assert "contradicted" not in Path("results/sensitivity.md").read_text()


def test_sizes_stand_beside_verdicts(project):
    claim, row = report_of(project, compared(2.0, 1.5))
    assert claim["lines"][0]["beyond_smallest"]["shown"]
    assert row[7].startswith("yes (p ")
    claim, row = report_of(project, compared(0.65, 0.65))
    assert claim["lines"][0]["beyond_smallest"]["shown"] is False
    assert row[7].startswith("open (p ")


def test_gains_over_the_frozen_backbone_are_among_the_remarks(project):
    (project / "frozen").mkdir()
    (project / "frozen/emoji.json").write_text('{"metrics": {"recall_at_1": 0.4, "map_at_r": 0.2}}')
    claim, row = report_of(project, compared(2.0, 1.5))
    assert claim["lines"][0]["gains_over_frozen"] == {"pfml": pytest.approx(12.0), "cpml": pytest.approx(10.0)}
    assert row[8] == "above the frozen backbone: pfml +12.00, cpml +10.00"


def test_what_the_suite_says_itself_has_tables_of_its_own(project):
    report_of(project, compared(2.0, 1.5), said_by="paper")
    assert "## one: what the paper says" in Path("results/claims.md").read_text()
    report_of(project, compared(2.0, 1.5), said_by="suite")
    assert "## one: what the suite has carried on" in Path("results/claims.md").read_text()


def test_results_that_no_setting_plans_are_told_from_those_that_wait(project):
    values = {"family": "three", "datasets": ["emoji", "furniture"], "noise": {"kind": "asymmetric", "level": 0.3}}
    (project / "claims/beyond.yaml").write_text(yaml.safe_dump(values_of("superiority", **values) | {"id": "beyond"}))
    write("runs", runs(52 + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml"))
    report = write_claims(load_settings(), project / "claims")
    planned = {(claim["id"], line["dataset"]): line["planned"] for claim in report["claims"] for line in claim["lines"]}
    assert [key for key, value in planned.items() if not value] == [("beyond", "emoji"), ("beyond", "furniture")]
    page = Path("results/claims.md").read_text()
    assert "Not run: 1 claim (regime frozen); 2 of their 2 results are planned by no setting." in page
    assert "planned by no setting: params.yaml: noise.levels has no 0.3" in page
    assert "not run: 3 (2 planned by no setting)." in found_of_claims(report, "frozen")[-1]


def test_claims_that_nobody_can_run_here_say_why(project):
    write("runs", runs(52 + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml"))
    for name, changes in (
        ("images", {"datasets": ["cub", "sop"], "backbone": "resnet50_512"}),
        ("method", {"contrast": {"subject": "pfml", "reference": "hse_pa"}}),
        ("waits", {"datasets": ["typefaces"]}),
    ):
        values = values_of("superiority", family=name, **changes) | {"id": name}
        (project / f"claims/{name}.yaml").write_text(yaml.safe_dump(values))
    found = {claim["id"]: claim for claim in write_claims(load_settings(), project / "claims")["claims"]}
    assert found["images"]["out_of_reach"] == "for want of images of CUB, Cars or SOP"
    assert found["method"]["out_of_reach"] == "for want of a method in the suite"
    assert (found["waits"]["out_of_reach"], found["waits"]["shown"]) == (None, "not run (1 of 1 data sets)")
    assert {claim["verdict"] for name, claim in found.items() if name != "first"} == {"not run"}
    page = Path("results/claims.md").read_text()
    not_run, beyond = page.split("## Not run")[1].split("## Cannot be run here")
    assert "`waits`" in not_run
    assert "`images`" in beyond
    assert "`method`" in beyond
    assert "1 not run, 2 cannot be run here" in page


def test_what_was_preregistered_is_shown_with_what_changed_since(project):
    write("runs", runs(52 + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml"))
    found = write_claims(load_settings(), project / "claims")
    assert (found["frozen"], {claim["standing"] for claim in found["claims"]}) == (None, {None})
    assert "Nothing was preregistered" in Path("results/claims.md").read_text()
    freeze(load_claims(folder=project / "claims"), {"frozen": load_settings()}, folder=project / "claims")
    (project / "claims/second.yaml").write_text(yaml.safe_dump(values_of("superiority") | {"id": "second"}))
    settings = load_settings().model_copy(update={"seeds": 20})
    found = write_claims(settings, project / "claims")
    assert [claim["standing"] for claim in found["claims"]] == ["as preregistered", "changed since"]
    assert found["frozen"]["changes"] == ["seeds: 5 then, 20 now"]
    page = Path("results/claims.md").read_text()
    assert ": of 2 claims 1 as preregistered, 1 changed since. " in page
    assert "that are other now: seeds: 5 then, 20 now." in page
    assert "- `second` (changed since; regime frozen): " in page


def test_what_was_preregistered_later_is_told_with_what_it_was_of(project):
    write("runs", runs(52 + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml"))
    folder, settings = project / "claims", load_settings()
    late = {"frozen": settings, "finetuned": load_finetuned(ROOT / FINETUNED_FILE).within(settings)}
    freeze(load_claims(folder=folder), late, folder=folder)
    (folder / "third.yaml").write_text(yaml.safe_dump(values_of("superiority") | {"id": "third"}))
    add_later(load_claims(folder=folder), late, folder)
    design_anew("finetuned", late["finetuned"].model_copy(update={"seeds": 7}), folder)
    write_claims(settings, folder)
    (told,) = [line for line in Path("results/claims.md").read_text().splitlines() if line.startswith("Preregistered")]
    assert re.search(
        r"1 of them added on \S+, the design of the regime finetuned anew on \S+: of 3 claims 3 as prereg", told
    )
    assert "was replaced" not in told  # these claims are of the other regime


def test_results_by_a_design_that_was_replaced_are_not_called_confirmatory():
    claims = [{"regime": "finetuned", "standing": "as preregistered"}]
    later = [{"date": "2026-11-28", "commit": None, "anew": ["finetuned"], "claims": 0}]
    frozen = {"date": "2026-11-26", "commit": None, "later": later, "changes": []}
    told = standing_sentence({"claims": claims, "frozen": frozen})
    assert told.endswith(
        " other now: none. The design of the regime finetuned was replaced: where results by an earlier one were known "
        "then, those here are not confirmatory; docs/protocol.md tells."
    )
    assert "was replaced" not in standing_sentence({"claims": claims, "frozen": frozen | {"later": []}})


def test_what_could_be_found_stands_in_the_page(project):
    write("runs", runs(52 + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml"))
    plan = {each["family"]: each for each in write_claims(load_settings(), project / "claims")["plan"]}
    assert (plan["one"]["tests"], plan["two"]["tests"], plan["one"]["units"]) == (1, 2, [5, 10, 20])
    rows = [row for row in Path("results/claims.md").read_text().splitlines() if row.startswith("| two | 2 | 0.5 |")]
    assert len(rows) == 1
