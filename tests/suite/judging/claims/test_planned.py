"""What settings lack of a claim's runs, one setting at a time, from settings that lack nothing."""

import json

import pytest

from suite.judging.claims.plan import plan_families
from suite.judging.claims.planned import count_held, lacking
from suite.report.claims import claims_within
from suite.settings.finetuned import GeometryOfRegime, settings_of
from suite.settings.params import Settings, load_settings
from suite.settings.paths import CLAIMS_FILE, FINETUNED_FILE, FINETUNED_RESULTS, RESULTS_FOLDER
from suite.settings.studies import AblationAxes, ExtendedLoss
from tests.helpers.paths import ROOT
from tests.suite.judging.claims.synthetic import EXAMPLES, claim

UNDER_NOISE = "tuned_under_noise"
NOISY = {"kind": "asymmetric", "level": 0.4}
SMOOTH_AP = {"subject": "pfml", "reference": "smooth_ap"}
SOFT_TRIPLE = {"subject": "pfml", "reference": "soft_triple"}
KINDS = [
    ("superiority", {}),
    ("superiority", {"noise": NOISY}),
    ("superiority", {"contrast": SMOOTH_AP, "noise": NOISY, "track": UNDER_NOISE}),
    ("equivalence", {"track": UNDER_NOISE}),
    ("robustness", {}),
    ("insensitivity", {}),
    ("trend", {}),
    ("saturation", {}),
    ("interaction", {}),
    ("closeness", {"contrast": SOFT_TRIPLE}),
    ("minima", {}),
]


@pytest.fixture(scope="module")
def settings():
    """The committed settings with all axes of ablations on emoji and all losses that the claims below name."""
    found = load_settings(ROOT / "params.yaml")
    axes = AblationAxes(proxies_per_class=(0, 1), alpha=(0, 2), delta=(0.4, 0.8), repulsion_margin=(0, 0.1))
    return without(found.model_copy(update={"ablation": {"emoji": axes}}), "crossed.values", axes)


def without(settings: Settings, path: str, value: object) -> Settings:
    """The settings with one of their values replaced."""
    first, _, rest = path.partition(".")
    inner = getattr(settings, first)
    return settings.model_copy(update={first: inner.model_copy(update={rest: value}) if rest else value})


@pytest.mark.parametrize(("kind", "changes"), KINDS)
def test_nothing_is_lacking_of_what_the_settings_plan(settings, kind, changes):
    assert lacking(claim(kind, **changes), "emoji", settings) is None


@pytest.mark.parametrize(
    ("kind", "changes", "path", "value", "expected"),
    [
        ("superiority", {}, "datasets", {}, "datasets has no emoji"),
        ("superiority", {}, "noise.levels", (0.2,), "noise.levels has no 0"),
        ("superiority", {"noise": NOISY}, "noise.levels", (0, 0.2), "noise.levels has no 0.4"),
        ("robustness", {}, "noise.levels", (0, 0.4), "noise.levels has no 0.2"),
        ("superiority", {"noise": NOISY}, "extended.noise_kinds", (), "extended.noise_kinds has no asymmetric"),
        ("superiority", {"noise": NOISY | {"level": 0}}, "extended.noise_kinds", (), None),
        ("superiority", {"noise": NOISY}, "noise.kind", "asymmetric", None),
        ("superiority", {"noise": NOISY}, "extended.losses", {}, "extended.losses has no pfml"),
        ("superiority", {}, "extended.losses", {}, None),  # the grid has both
        ("robustness", {"contrast": SMOOTH_AP}, "extended.losses", {}, "extended.losses has no smooth_ap"),
        (
            "equivalence",
            {"track": UNDER_NOISE},
            "tuning.tracks",
            ("tuned",),
            "tuning.tracks has no tuned_under_noise",
        ),
        ("superiority", {"track": "paper_values"}, "tuning.tracks", ("tuned",), None),
        (
            "superiority",
            {"contrast": SMOOTH_AP, "track": UNDER_NOISE},
            "extended.losses",
            {"smooth_ap": ExtendedLoss(tracks=("tuned",))},
            "extended.losses.smooth_ap.tracks has no tuned_under_noise",
        ),
        ("insensitivity", {}, "ablation", {}, "ablation.emoji has no delta"),
        ("trend", {}, "ablation", {"furniture": AblationAxes()}, "ablation.emoji has no repulsion_margin"),
        ("saturation", {}, "crossed.values", AblationAxes(), None),
        ("interaction", {}, "crossed.values", AblationAxes(), "crossed.values has no alpha"),
        ("interaction", {}, "ablation", {}, None),
        ("closeness", {"contrast": SOFT_TRIPLE}, "geometry.losses", {}, "geometry.losses has no pfml"),
        ("minima", {}, "geometry.losses", {}, "geometry.losses has no pfml"),
    ],
)
def test_what_is_lacking_is_named(settings, kind, changes, path, value, expected):
    expected = expected and f"params.yaml: {expected}"
    assert lacking(claim(kind, **changes), "emoji", without(settings, path, value)) == expected


def test_the_geometry_of_a_regime_may_be_of_some_data_sets(settings):
    mine = claim("minima", regime="finetuned")
    for datasets, told in (
        ({"emoji": {}}, None),
        ({"furniture": {}}, f"{FINETUNED_FILE}: geometry.datasets has no emoji"),
    ):
        geometry = GeometryOfRegime(losses={"pfml": {}}, datasets=datasets)
        assert lacking(mine, "emoji", settings.model_copy(update={"geometry": geometry})) == told


def test_each_held_delta_adds_a_result_on_each_data_set_of_the_study(settings):
    geometry = GeometryOfRegime(
        losses={"pfml": {}}, datasets={"furniture": {}, "typefaces": {}}, deltas=(0.1, 0.2, 0.3)
    )
    studied = settings.model_copy(update={"geometry": geometry})
    everywhere = ["emoji", "furniture", "typefaces"]
    assert count_held(claim("minima", regime="finetuned", datasets=everywhere), studied) == 6
    assert count_held(claim("closeness", regime="finetuned", datasets=everywhere), studied) == 0, "its reference is not"
    assert count_held(claim("superiority", regime="finetuned", datasets=everywhere), studied) == 0
    other = studied.model_copy(
        update={"geometry": geometry.model_copy(update={"losses": {**geometry.losses, "soft_triple": {}}})}
    )
    of_another = claim("minima", regime="finetuned", datasets=everywhere, contrast={"subject": "soft_triple"})
    assert count_held(of_another, other) == 0, "no delta is held but those of pfml"
    (plan,) = plan_families([claim("minima", regime="finetuned", datasets=everywhere)], settings=studied)
    assert plan.tests == 9


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("datasets", {}, "params.yaml: datasets has no emoji"),
        ("noise.levels", (0.2,), "params.yaml: noise.levels has no 0"),
        ("tuning.tracks", (), "pipelines/finetuned/params.yaml: tuning.tracks has no tuned"),
    ],
)
def test_another_regime_shares_data_sets_and_noise_levels(settings, path, value, expected):
    mine = claim("superiority", regime="finetuned")
    assert lacking(mine, "emoji", settings) is None
    assert lacking(mine, "emoji", without(settings, path, value)) == expected


def test_claims_of_other_settings_or_of_none_lack_nothing(settings):
    bare = without(settings, "datasets", {})
    assert lacking(claim("reproduction"), "cub", bare) is None
    assert lacking(claim("decay"), "", bare) is None
    assert {kind for kind, _ in KINDS} | {"reproduction", "decay"} == set(EXAMPLES)


@pytest.mark.parametrize(("regime", "results"), [("frozen", RESULTS_FOLDER), ("finetuned", FINETUNED_RESULTS)])
def test_no_result_in_git_was_run_without_a_setting_that_plans_it(regime, results, monkeypatch):
    monkeypatch.chdir(ROOT)
    settings = settings_of(regime)
    report = json.loads((ROOT / results / CLAIMS_FILE.name).read_text(encoding="utf-8"))
    claims = {file.claim.id: file.claim for file in claims_within(load_settings(), regime)}
    run = [(claim["id"], line) for claim in report["claims"] for line in claim["lines"] if line["verdict"] != "not run"]
    assert len(run) > 50
    assert [name for name, line in run if lacking(claims[name], line["dataset"], settings)] == []
