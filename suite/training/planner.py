"""Plans: what each (data set, loss) runs, resolved from ``params.yaml``, tuned recipes and the losses' own values.

Everything is checked first; after an error no plan has been written.
"""

import contextlib
from dataclasses import replace

from suite.data.noise import check_kind
from suite.errors import Problems, SuiteError, allowed
from suite.losses.build import TRAINING_SETTINGS
from suite.losses.by_hand import values_by_hand
from suite.losses.influence.kept import as_plan, wanted
from suite.losses.paper_values import paper_values
from suite.losses.probe import probe
from suite.losses.registry import Hyperparameters, LossEntry, check_hyperparameters, find_loss
from suite.settings.params import Settings
from suite.settings.paths import INFLUENCE_PLAN, PARAMS_FILE
from suite.settings.plans import (
    PLANS,
    HyperparameterSource,
    PlanKind,
    Planned,
    Regime,
    Search,
    SomePlan,
    Track,
)
from suite.settings.tuned_recipes import TunedRecipe, load_tuned, shared_training, tuned_path
from suite.training.backbone import check_backbone
from suite.training.batch_checks import check_batch, check_folds
from suite.training.dataset_plan import DatasetPlan, dataset_plan_path
from suite.training.hyperparameters import with_learning_rates
from suite.training.plan_checks import check_studied, extended_plans, for_all, sound_datasets, sound_losses
from suite.training.plan_files import remarks_on, write_all
from suite.training.planned_cost import check_size, cost
from suite.training.search_space import check_ends, check_on_folds, declared_space, space_on
from suite.training.stage import code_sha256
from suite.training.tuning.found import is_set_otherwise
from suite.training.user_files import update_user_files


def write_plans(settings: Settings) -> list[str]:
    """Check all settings, data, backbone weights and losses; then write a plan for each data set and each of its losses.

    Returns:
        Remarks for the user, such as tuned recipes that are stale or copies among images; the last is the cost.

    Raises:
        SuiteError: anything is wrong, all of it together; no plan was written then.
    """
    problems, remarks = Problems(), list[str]()
    with problems:
        check_backbone(settings.backbone)
    with problems:
        check_kind(settings.noise.kind, f"{PARAMS_FILE}: noise.kind")
        for kind in settings.extended.noise_kinds:
            check_kind(kind, f"{PARAMS_FILE}: extended.noise_kinds")
    with problems:
        remarks = update_user_files(settings)
    datasets = [] if problems.about("noise.kind") else sound_datasets(settings, problems)
    losses, also = sound_losses(settings, problems)
    planner = Planner(settings)
    check_studied(losses + also, settings, problems)
    with_paper_values = [entry for entry in losses if entry.name in settings.paper_values]
    kinds: dict[PlanKind, list[list[Planned]]] = {
        "tuned": for_all(planner.tuned, datasets, losses, problems),
        "searches": for_all(planner.searched, datasets, losses + also, problems),
        "paper_values": [
            [(plan, None)] for plan in for_all(planner.paper_values, datasets, with_paper_values, problems)
        ],
    }
    kinds["extended"] = extended_plans(planner.tuned, datasets, losses + also, settings, problems)
    with problems:
        check_size(settings, datasets)
    problems.tell()
    dim = settings.recipe.embedding_dim
    curves = [wanted(entry, values_by_hand(settings.losses[entry.name]), dim) for entry in losses]
    data = {dataset_plan_path(dataset.dataset): dataset.as_dict() for dataset in datasets}
    write_all(data | {INFLUENCE_PLAN: as_plan(curves)}, kinds)
    return [
        *remarks,
        *remarks_on(settings, datasets),
        *planner.not_varied(),
        *dict.fromkeys(planner.remarks),
        cost(settings, datasets, kinds),
    ]


class Planner:
    """Plans runs of a regime from ``params.yaml``.

    Args:
        settings: with recipe and searches of the regime.
        regime: what learns.
        code: digest of the code that trains; that of the frozen regime if None.

    Attributes:
        remarks: what the user should know about the plans made so far.
    """

    def __init__(self, settings: Settings, regime: Regime = "frozen", code: str | None = None) -> None:
        self.remarks: list[str] = []
        self._settings, self._regime = settings, regime
        self._code_sha256 = code or code_sha256()
        self._searched: dict[tuple[str, str], list[Planned]] = {}
        self._varied: set[str] = set()

    def tuned(self, dataset: DatasetPlan, entry: LossEntry, *, for_study: bool = False) -> list[Planned]:
        """Plan the tuning tracks of a loss: the values of its tuned recipes; values set in ``params.yaml`` replace them.

        Searches without a recipe in git are left to the stage ``tune``; those of a study are told and checked where it runs.

        Raises:
            SuiteError: an unknown or refused hyper-parameter, a batch that the data set cannot fill, or a loss that does
                not give a finite scalar.
        """
        by_hand = values_by_hand(self._settings.all_losses[entry.name])
        planned, missing = list[Planned](), 0
        for bare, search in self.searched(dataset, entry):
            recipe = None if search is None else self._recipe_in_git(dataset, entry, bare, search)
            if recipe is not None and search is not None:
                check_hyperparameters(entry, recipe.best, f"tuned recipe of {entry.name} on {dataset.dataset}")
                plan = self._plan(bare.track, dataset, entry, {**recipe.best, **by_hand}, "search")
                tuned = replace(
                    plan,
                    validation_epoch=recipe.validation_epoch,
                    noise_levels=bare.noise_levels,
                    search=search.number,
                    searches=bare.searches,
                )
                planned.append((tuned, None))
                continue
            missing += 1
            if search is not None and not for_study:
                check_folds(self._settings, bare, dataset.half, search)
                if missing == 1:
                    folds = f"{self._settings.recipe.file}: tuning.folds", search.folds
                    check_on_folds(entry, bare.hyperparameters, dataset.half.classes, bare.recipe.embedding_dim, *folds)
            planned.append((bare, search))
        if missing and not for_study:
            self.remarks.append(f"{entry.name} on {dataset.dataset} {_without_recipe(planned)}")
        return planned

    def searched(self, dataset: DatasetPlan, entry: LossEntry) -> list[Planned]:
        """Plan a loss without tuned recipes, and the searches for them; None for a search if there is nothing to search.

        Raises:
            SuiteError: as ``tuned``.
        """
        place = dataset.dataset, entry.name
        if place not in self._searched:  # asked for up to three times, and checks of a loss take a while
            self._searched[place] = self._plan_searches(dataset, entry)
        return self._searched[place]

    def _plan_searches(self, dataset: DatasetPlan, entry: LossEntry) -> list[Planned]:
        mine = self._settings.all_losses[entry.name]
        by_hand = values_by_hand(mine)
        plan = self._plan("tuned", dataset, entry, by_hand, "params.yaml" if by_hand else "defaults")
        tuning = self._settings.tuning
        declared = declared_space(entry, mine, tuning.space, self._settings.recipe.file)
        space = space_on(dataset.dataset, self._settings.datasets[dataset.dataset].limits, declared)
        self._varied |= space.keys()
        if not space:
            return [(plan, None)]
        sizes = dataset.half.classes, plan.recipe.embedding_dim
        entry.must_survive(lambda: check_ends(entry, plan.hyperparameters, space, *sizes))
        wrong = tuple(level for level in plan.noise_levels if level)
        planned: list[Planned] = []
        for track in tuning.tracks:
            clean = track == "tuned"
            if not clean and not wrong:
                continue
            mine_too = replace(
                plan, track=track, searches=tuning.searches, noise_levels=plan.noise_levels if clean else wrong
            )
            planned += [
                (
                    replace(mine_too, search=number),
                    Search(
                        space,
                        by_hand,
                        tuning.trials,
                        tuning.folds,
                        0.0 if clean else tuning.noise,
                        number,
                        track == "tuned_with_noisy_validation",
                        tuning.held_out,
                    ),
                )
                for number in range(tuning.searches)
            ]
        if not planned:
            raise SuiteError(
                f"{self._settings.recipe.file}: tuning.tracks has tracks under noise alone, and noise.levels has no noise; "
                "allowed: tuned among the tracks, or a level above 0"
            )
        return planned

    def not_varied(self) -> list[str]:
        """A line for each of a data set's ``limits`` that no search planned so far varies."""
        return [
            f"{PARAMS_FILE}: datasets.{dataset}.limits.{name} is left out: no search varies it; allowed: "
            f"{allowed(sorted(self._varied)) or 'nothing'}"
            for dataset, settings in self._settings.datasets.items()
            for name in settings.limits
            if name not in self._varied
        ]

    def paper_values(self, dataset: DatasetPlan, entry: LossEntry) -> SomePlan:
        """Plan the values of a loss's paper as they stand.

        Raises:
            SuiteError: the loss declares none.
        """
        values = paper_values(entry, dataset.half.mean_images)
        if values is None:
            declaring = []
            for name, item in self._settings.losses.items():
                with contextlib.suppress(SuiteError):  # another one that cannot be found is told where it is planned
                    declaring += [name] if getattr(find_loss(name, item).cls, "paper_values", None) else []
            raise SuiteError(
                f"{PARAMS_FILE}: paper_values.{entry.name}: this loss declares no paper_values; "
                f"allowed: {', '.join(declaring) or 'none of the losses named'}"
            )
        return self._plan("paper_values", dataset, entry, values, "paper")

    def _plan(
        self,
        track: Track,
        dataset: DatasetPlan,
        entry: LossEntry,
        values: Hyperparameters,
        source: HyperparameterSource,
    ) -> SomePlan:
        settings = self._settings
        recipe = with_learning_rates(settings.recipe_of(dataset.dataset), values, f"{entry.place}.params")
        num_classes = check_batch(settings, recipe, dataset.dataset, dataset.half)
        hyperparameters = {name: value for name, value in values.items() if name not in TRAINING_SETTINGS}
        sizes = num_classes, recipe.embedding_dim
        images = len(dataset.half.labels)
        entry.must_survive(lambda: probe(entry.place, entry.build(hyperparameters, *sizes), *sizes, images))
        return PLANS[self._regime][0](
            regime=self._regime,
            track=track,
            dataset=dataset.dataset,
            backbone=settings.backbone.name,
            loss=entry.name,
            target=entry.target,
            loss_sha256=entry.sha256,
            code_sha256=self._code_sha256,
            noise_kind=settings.noise.kind,
            noise_levels=settings.noise.levels,
            seeds=settings.seeds,
            hyperparameter_source=source,
            hyperparameters=hyperparameters,
            recipe=recipe,
        )

    def _recipe_in_git(
        self, dataset: DatasetPlan, entry: LossEntry, plan: SomePlan, search: Search
    ) -> TunedRecipe | None:
        """The tuned recipe as it stands, or None; a remark says what has changed since the search.

        A stale recipe is used all the same, as a new search has a command of its own; not so where the network learns: the
        values of another cut, or of whole networks, would pass for its own.
        """
        path = tuned_path(dataset.dataset, entry.name, plan.track, search.number, self._regime)
        if not path.is_file():
            return None
        recipe, settings = load_tuned(path), self._settings
        recipe_space = {name: item for name, item in recipe.search_space.items() if name not in search.by_hand}
        changes = {
            "the search space has": recipe_space != search.space,
            "the data have": recipe.data_sha256 != dataset.data_sha256,
            "tuning.trials has": len(recipe.trials) != settings.tuning.trials,
            "the recipe has": recipe.training != shared_training(settings.recipe_of(dataset.dataset), search.space),
            "tuning.folds has": recipe.folds != settings.tuning.folds,
            "tuning.held_out has": recipe.held_out != settings.tuning.held_out,
            "tuning.noise has": recipe.noise != search.noise,
            "what is set by hand has": is_set_otherwise(recipe, search),
        }
        stale = [f"{path} is stale: {change} changed since" for change, changed in changes.items() if changed]
        if stale and self._regime == "finetuned":
            self.remarks += [f"{each}; it is left out, and a search comes first" for each in stale]
            return None
        again = f"dvc repro pipelines/tuning/dvc.yaml:search@{dataset.dataset}-{entry.name} && suite promote"
        self.remarks += [f"{each}; renew it with: {again}" for each in stale]
        return recipe


def _without_recipe(planned: list[Planned]) -> str:
    searches = [search for _, search in planned if search is not None]
    if not searches:
        return "has no search space: it runs with its default values"
    trials = f"{searches[0].trials} trials come first"
    several = f"{len(searches)} searches of {trials}" if len(planned) > 1 else trials
    return f"has no tuned recipe: {several}"
