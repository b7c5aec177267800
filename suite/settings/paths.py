"""Every path and file name, from the project's root. What is in braces is filled in by ``str.format``."""

from pathlib import Path

# Written by people.
PARAMS_FILE = Path("params.yaml")
BENCHMARKS_FILE = Path("pipelines/benchmarks/params.yaml")
CLAIMS_FOLDER = Path(__file__).parents[2] / "claims"
BENCHMARK_CLAIMS_FOLDER = CLAIMS_FOLDER / "benchmarks"
PAPER_RECIPES_FOLDER = Path(__file__).parents[2] / "recipes" / "paper"
TUNED_RECIPE = "recipes/{track}/{dataset}/{loss}-{number}.yaml"
SHEETS_FOLDER = Path("docs/data")
SCHEMAS_FOLDER = Path("docs/schemas")
FIGURES_FOLDER = Path("docs/figures")
INFLUENCE_FILE = FIGURES_FOLDER / "influence.csv"
WATCHED_FOLDER = Path("my_losses")
"""Loss files that ``dvc.yaml`` watches by the folder's name."""

# The data.
DATA_FOLDER = Path("data")
USER_DATA_FOLDER = Path("user_data")
USER_DIGESTS_FILE = Path("user/digests.json")
USER_BENCHMARKS_FILE = Path("user/benchmarks.json")
USER_STAGES_FILE = Path("user/stages.yaml")

# Between stages.
PLAN_FOLDER = Path("plan")
DATASET_PLAN = "plan/datasets/{dataset}.json"
PLAN = "plan/{kind}/{dataset}-{loss}.json"
INFLUENCE_PLAN = Path("plan/influence.json")
INFLUENCE_CURVES = Path("influence/curves.csv")
INFLUENCE_REASONS = Path("influence/unmeasured.json")
"""Why a loss has no influence curves."""
TUNED_FOLDER = Path("tuned")
TUNED_PLAN = "tuned/{dataset}-{loss}/plan.json"
FOUND_RECIPE = "{track}-{number}.yaml"
"""A tuned recipe that a search has found: beside a complete plan, or in a folder of ``searches``."""
FEATURES = "features/{dataset}.safetensors"
FROZEN_METRICS = "frozen/{dataset}.json"
"""Metrics of the frozen backbone; results/ has them at the same place, in git."""
RUNS_FOLDER = Path("runs")
"""A folder for each train stage."""
RECORDS_NAME = "records.jsonl"
"""A line a run."""
CURVES_NAME = "curves.jsonl"
"""The mean training loss of each epoch of each run."""
EMBEDDINGS = "embeddings-{noise_level:g}.safetensors"
"""The embeddings of the test classes, of the first seed, a file a noise level."""
TIMES_FOLDER = Path("times")
RUN_CACHE_FOLDER = Path("run_cache")
TRIALS_FOLDER = Path("run_cache/trials")
"""Finished trials of unfinished searches."""
LOCKS_FOLDER = Path("run_cache/locks")
"""Locks of commands at work; the files stay."""
INFLUENCE_CACHE_FOLDER = Path("run_cache/influence")
"""Influence curves that were measured before."""
SEARCHES_FOLDER = Path("searches")
"""Recipes that searches have found before ``suite promote``, a folder for each data set and loss."""
STUDY_OUTPUTS = Path("studies")
"""Records of studies before ``suite promote``, one folder per kind."""

# Results, in git.
RESULTS_FOLDER = Path("results")
STUDIES = "studies"
STUDIES_FOLDER = RESULTS_FOLDER / STUDIES
PAPER_VALUES, ABLATIONS, CROSSED, GEOMETRY = "paper_values", "ablations", "crossed", "geometry"
SPLITS, FRESH_SEEDS, EXTENDED = "splits", "fresh_seeds", "extended"
"""Kinds of studies, as folders below ``studies`` and ``results/studies``."""
RECORDS_FILE = RESULTS_FOLDER / "records.csv"
VERDICTS_FILE = RESULTS_FOLDER / "verdicts.csv"
BOARD_FILE = RESULTS_FOLDER / "leaderboard.json"
CLAIMS_FILE = RESULTS_FOLDER / "claims.json"
TIMES_FILE = RESULTS_FOLDER / "times.csv"
SITE_FOLDER = RESULTS_FOLDER / "site"
APPENDIX_FOLDER = Path("appendix")
"""Appendices of papers, a folder for each loss; people move them to their papers."""

# What others have handed in, in git.
HANDED_IN_FOLDER = Path("handed_in")
"""A bundle for each loss, and beside it what spot checks have shown."""

# CUB, Cars and SOP: the same below a folder of their own.
BENCHMARKS_FOLDER = Path("benchmarks")
BENCHMARK_RESULTS = RESULTS_FOLDER / "benchmarks"
NOISE_LIST = "noise_lists/{dataset}-{kind}-{level:g}.json"
"""Wrong labels of a published list, below the folder of the benchmarks, in git."""

# The regime in which the network learns: the same below a folder of its own.
FINETUNED_FILE = Path("pipelines/finetuned/params.yaml")
VIEWS_FOLDER = "finetuned/views/{dataset}"
VIEW_PLAN = "finetuned/plan/views/{dataset}.json"
FOLDERS = {"finetuned": Path("finetuned")}
"""Regimes whose plans, searches, runs, run cache and times lie in a folder of their own."""
FINETUNED_RESULTS = RESULTS_FOLDER / "finetuned"
RESULTS_OF = {"frozen": RESULTS_FOLDER, "finetuned": FINETUNED_RESULTS, "published": BENCHMARK_RESULTS}
"""The folder of a regime's results."""

WRITTEN_FOLDERS = (
    DATA_FOLDER,
    USER_DATA_FOLDER,
    PLAN_FOLDER,
    TUNED_FOLDER,
    Path("features"),
    Path("frozen"),
    INFLUENCE_CURVES.parent,
    RUNS_FOLDER,
    TIMES_FOLDER,
    RUN_CACHE_FOLDER,
    SEARCHES_FOLDER,
    STUDY_OUTPUTS,
    RESULTS_FOLDER,
    HANDED_IN_FOLDER,
    BENCHMARKS_FOLDER,
    *FOLDERS.values(),
)
"""Folders that commands write and clear: nothing of a user's is read from there."""
