"""The search: disjoint folds, one recipe for one seed, resumption, failures counted, test classes never looked at."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from suite.data.features import Features
from suite.errors import SuiteError
from suite.evaluation.retrieval import Retrieval
from suite.settings.paths import TRIALS_FOLDER
from suite.training.run.loop import TrainingFailure
from suite.training.tuning import sampler, search, validation
from tests.helpers.synthetic import RECIPE, own_loss, silent
from tests.suite.training.tuning.conftest import FEATURES, SHORT, SPACE, but_for_time, found, plan, search_for


def journal():
    """The journal of an unfinished search, if there is one."""
    found = list(TRIALS_FOLDER.glob("emoji-own-*.log"))
    assert len(found) < 2
    return found[0] if found else None


@pytest.fixture(autouse=True)
def prepared(workplace, one_worker):
    """An empty current folder, one worker."""


def judged(score):
    """A retrieval of this MAP@R."""
    return Retrieval({"map_at_r": score}, [], [])


def test_the_same_search_gives_the_same_recipe_for_any_number_of_workers(monkeypatch):
    first = found()
    assert journal() is None
    monkeypatch.setenv("SUITE_WORKERS", "2")
    assert but_for_time(found()) == but_for_time(first)


def test_the_recipe_keeps_all_trials_and_the_best():
    recipe = found(searched=search_for(trials=5))
    assert (recipe.dataset, recipe.loss, recipe.data_sha256, recipe.folds) == ("emoji", "own", "data", 2)
    assert recipe.search_space == SPACE
    scores = [trial.map_at_r for trial in recipe.trials]
    assert len(set(scores)) > 1
    assert all(len(trial.fold_map_at_r) == 2 for trial in recipe.trials)
    assert scores == [np.mean(trial.fold_map_at_r) for trial in recipe.trials]
    best = recipe.trials[int(np.argmax(scores))]
    assert (recipe.best, recipe.best_map_at_r) == (best.values, max(scores))
    assert recipe.best_fold_map_at_r == best.fold_map_at_r
    assert recipe.trial_quartiles == [sorted(scores)[i] for i in (1, 2, 3)]
    assert recipe.failed_trials == 0
    assert recipe.training == {name: value for name, value in SHORT.model_dump().items() if "learning_rate" not in name}
    assert recipe.seconds > 0
    assert set(recipe.best) == set(SPACE)


@pytest.fixture
def by_epoch(inline, monkeypatch):
    """Trainings that give the MAP@R of each fold, by its first class, and epoch; says how often one was judged."""
    judgements = []

    def prepare(scores):
        def fitting(candidate, features, labels, seed, num_classes, after_epoch, images):
            for epoch in range(1, candidate.recipe.epochs + 1):
                after_epoch(epoch, 0.0, epoch)
            return candidate.recipe.epochs, None

        def evaluating(epoch, features, labels):
            judgements.append((int(labels.min()), epoch))
            return judged(scores[int(labels.min())][epoch - 1])

        monkeypatch.setattr(validation, "fit", fitting)
        monkeypatch.setattr(validation, "evaluate", evaluating)
        return judgements

    return prepare


@pytest.mark.parametrize(
    ("scores", "epoch"),
    [
        ({0: [0.1, 0.9, 0.2, 0.3], 6: [0.1, 0.2, 0.8, 0.3]}, 2),  # the mean: .1 .55 .5 .3
        ({0: [0.1, 0.9, 0.2, 0.3], 6: [0.1, 0.0, 0.8, 0.3]}, 3),  # the mean: .1 .45 .5 .3; the best single fold: 2
        ({0: [0.1, 0.2, 0.3, 0.4], 6: [0.9, 0.8, 0.7, 0.8]}, 4),  # the mean: .5 .5 .5 .6
        ({0: [0.5, 0.1, 0.1, 0.1], 6: [0.5, 0.1, 0.1, 0.1]}, 1),
    ],
)
def test_the_validation_epoch_is_best_in_the_mean_over_folds(by_epoch, scores, epoch):
    judgements = by_epoch(scores)
    recipe = found(plan(recipe=RECIPE), search_for(trials=2))
    assert recipe.validation_epoch == epoch
    # A trial counts its last epoch; only the best one is trained again and judged after every epoch, once each.
    assert recipe.best_fold_map_at_r == [scores[0][-1], scores[6][-1]]
    assert judgements == [(0, 4), (6, 4)] * 2 + [(fold, e) for fold in (0, 6) for e in (1, 2, 3, 4)]


def test_a_search_that_was_killed_ends_in_the_same_recipe(inline, monkeypatch):
    """Interrupted within the random trials and again within those that TPE chooses; finished trials are not rerun."""
    searched = search_for(trials=9)
    undisturbed = found(searched=searched)
    scored = []
    scores = search._scores

    def counting(*arguments, **options):
        if len(scored) in stops:
            stops.remove(len(scored))
            raise KeyboardInterrupt
        scored.append(arguments[-1]["neg_margin"])
        return scores(*arguments, **options)

    monkeypatch.setattr(search, "_scores", counting)
    stops = [3, 7]
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            found(searched=searched)
    console = silent()
    recipe = found(searched=searched, console=console)
    assert "emoji own tuned 0: resuming, 7 of 9 trials are done" in console.file.getvalue()
    assert but_for_time(recipe) == but_for_time(undisturbed)
    assert len(scored) == 10  # 9 trials, and the best one once more
    assert scored[:9] == [trial.values["neg_margin"] for trial in recipe.trials]
    assert journal() is None


def test_a_search_that_was_killed_after_any_line_of_its_journal_ends_in_the_same_recipe(inline, monkeypatch):
    """A kill may come between any two writes, e.g. after the scores of a trial and before its end."""

    def score(_data, fold):
        rate = fold.plan.recipe.learning_rate
        return [rate % 0.01 * 50] if rate < 0.03 else []

    def recipe():
        trials = search_for(trials=5)
        return but_for_time(
            search.search_recipe(plan(), trials, FEATURES, silent(), inputs_sha256="same", validate=score)
        )

    monkeypatch.setattr(sampler, "RANDOM_TRIALS", 2)
    undisturbed = recipe()
    assert 0 < undisturbed.failed_trials < 5
    path = journal()
    lines = path.read_text().splitlines(keepends=True)
    assert len(lines) > 20
    for count in range(len(lines)):
        path.write_text("".join(lines[:count]))
        assert recipe() == undisturbed, f"killed after line {count}"


def test_a_killed_search_counts_the_seconds_of_all_its_parts(inline, monkeypatch):
    keep_two_trials(monkeypatch)
    journal().write_text(re.sub(r'"seconds":[0-9.e-]+', '"seconds":1000.0', journal().read_text()))
    assert 2000 <= found().seconds < 3000


def keep_two_trials(monkeypatch):
    """Leave a search behind that was killed in its third trial."""
    whole = search._scores
    done = []

    def stopping(*arguments, **options):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(whole(*arguments, **options))
        return done[-1]

    with monkeypatch.context() as patch:
        patch.setattr(search, "_scores", stopping)
        with pytest.raises(KeyboardInterrupt):
            found()
    assert journal().read_text().count('"fold_map_at_r"') == 2


@pytest.mark.parametrize(
    "change",
    [
        {"before": plan(pos_margin=0.1)},
        {"before": replace(plan(), loss_sha256="other")},
        {"before": replace(plan(), code_sha256="other")},
        {"searched": search_for(space=SPACE | {"neg_margin": {"low": 0.2, "high": 1.1}})},
        {"searched": search_for(by_hand={"pos_margin": 0.0})},
        {"searched": search_for(folds=3), "before": plan(recipe=SHORT.model_copy(update={"classes_per_batch": 4}))},
        {"searched": search_for(noise=0.2)},
        {"features": Features(FEATURES.features, FEATURES.labels, 12, "other")},
    ],
    ids=["by hand", "loss", "code", "space", "by hand, default", "folds", "noise", "data"],
)
def test_trials_of_another_search_are_not_taken(inline, monkeypatch, change):
    keep_two_trials(monkeypatch)
    console = silent()
    assert len(found(console=console, **change).trials) == 4
    assert "resuming" not in console.file.getvalue()


@pytest.mark.parametrize("change", [{"seeds": 7}, {"noise_levels": (0.0, 0.1)}, {"searches": 9}], ids=str)
def test_what_says_which_runs_follow_leaves_the_trials(inline, monkeypatch, change):
    keep_two_trials(monkeypatch)
    console = silent()
    assert len(found(console=console, before=replace(plan(), **change)).trials) == 4
    assert "resuming, 2 of 4 trials are done" in console.file.getvalue()


def test_more_or_fewer_trials_take_up_those_that_are_done(inline, monkeypatch):
    whole = found(searched=search_for(trials=5))
    for trials in (5, 1):
        keep_two_trials(monkeypatch)
        recipe = found(searched=search_for(trials=trials))
        assert recipe.trials == whole.trials[:trials]


def test_a_finished_search_whose_trials_stay_trains_nothing_again(by_epoch):
    """As in a study, where runs of several values have one search; more trials may find another best one."""
    scores = {0: [0.1, 0.9, 0.2, 0.3], 6: [0.1, 0.2, 0.8, 0.3]}
    judgements = by_epoch(scores)
    first = found(plan(recipe=RECIPE), search_for(trials=2), path=None)
    before = list(judgements)
    again = found(plan(recipe=RECIPE), search_for(trials=2), path=None)
    assert judgements == before
    assert but_for_time(again) == but_for_time(first)
    assert again.validation_epoch == 2
    scores[0][-1] = 0.9
    more = found(plan(recipe=RECIPE), search_for(trials=3), path=None)  # the third is better
    assert (more.best_fold_map_at_r, more.validation_epoch) == ([0.9, 0.3], 4)


def test_half_a_line_at_the_end_of_the_journal_is_dropped(inline, monkeypatch):
    """As a process leaves it that was killed while it wrote; its lock stays too."""
    undisturbed = found()
    keep_two_trials(monkeypatch)
    with journal().open("a") as file:
        file.write('{"op_code": 8, "tri')
    Path(f"{journal()}.lock").symlink_to(journal())
    console = silent()
    assert but_for_time(found(console=console)) == but_for_time(undisturbed)
    assert "resuming, 2 of 4 trials are done" in console.file.getvalue()


@pytest.mark.parametrize("line", ["{op_code", "[1, 2]", "null", "{}", '{"op_code": 99, "worker_id": "a"}'])
def test_a_damaged_journal_is_searched_again(inline, monkeypatch, line):
    keep_two_trials(monkeypatch)
    first, rest = journal().read_text().split("\n", 1)
    journal().write_text(f"{first}\n{line}\n{rest}")
    console = silent()
    assert len(found(console=console).trials) == 4
    assert "resuming" not in console.file.getvalue()


def test_each_fold_validates_on_classes_that_it_does_not_train_on(inline, monkeypatch):
    seen = []

    def fitting(candidate, features, labels, seed, num_classes, after_epoch, images):
        seen.append(features)
        halves = np.split(FEATURES.training()[0], 2)
        assert any(np.array_equal(features, half) for half in halves)
        assert np.array_equal(labels, np.repeat(np.arange(num_classes), 5))
        return features, None

    def evaluating(head, features, labels):
        both = np.concatenate([head, features])
        training = FEATURES.training()[0]
        assert np.array_equal(np.unique(both, axis=0), np.unique(training, axis=0))
        assert len(both) == len(training)
        return judged(float(labels.min()) / 12)

    monkeypatch.setattr(validation, "fit", fitting)
    monkeypatch.setattr(validation, "evaluate", evaluating)
    recipe = found()
    assert len(seen) == 2 * (4 + 1)
    # 12 training classes in 2 folds: validation starts at class 0 and at class 6, half-way.
    assert all(trial.fold_map_at_r == [0.0, 0.5] for trial in recipe.trials)
    assert {trial.map_at_r for trial in recipe.trials} == {0.25}


@pytest.mark.parametrize("noise", [0.0, 0.25])
def test_label_noise_is_in_what_trains_and_never_in_what_validates(inline, monkeypatch, noise):
    """An exact share of wrong labels, the same ones in each trial; as many steps as a run takes."""
    _, labels = FEATURES.training()
    trained, validated = [], []
    fit, evaluate = validation.fit, validation.evaluate

    def fitting(candidate, features, given, *rest):
        assert rest[-1] == len(labels)
        trained.append(given.copy())
        return fit(candidate, features, given, *rest)

    def evaluating(head, features, truth):
        validated.append(truth)
        return evaluate(head, features, truth)

    monkeypatch.setattr(validation, "fit", fitting)
    monkeypatch.setattr(validation, "evaluate", evaluating)
    assert found(searched=search_for(trials=2, noise=noise)).noise == noise
    half = len(labels) // 2
    truths = [labels[half:] - labels[half], labels[:half]]  # of the classes that each fold trains on
    for place in (0, 1):
        first, second = trained[place], trained[place + 2]
        assert (first == second).all()
        assert (first != truths[place]).sum() == round(noise * half)
        assert (validated[place] == labels[:half] if place == 0 else validated[place] == labels[half:]).all()


def test_validation_labels_are_wrong_where_that_is_asked_for(inline, monkeypatch):
    _, labels = FEATURES.training()
    half = len(labels) // 2
    validated = []
    evaluate = validation.evaluate

    def evaluating(head, features, given):
        validated.append(given)
        return evaluate(head, features, given)

    monkeypatch.setattr(validation, "evaluate", evaluating)
    found(searched=replace(search_for(trials=2, noise=0.25), noisy_validation=True))
    truths = [labels[:half], labels[half:] - labels[half]]
    for place in (0, 1):
        assert np.array_equal(validated[place], validated[place + 2])
        assert (validated[place] != truths[place]).sum() == round(0.25 * half)


def test_searches_differ_in_their_streams_and_share_none_with_a_run(inline, monkeypatch):
    """Each number of each track has a sampler, heads, batches and wrong labels of its own, the same for every loss but for
    the sampler."""
    streams = []
    fit = validation.fit

    def fitting(candidate, features, given, seed, *rest):
        streams.append((seed, tuple(given)))
        return fit(candidate, features, given, seed, *rest)

    monkeypatch.setattr(validation, "fit", fitting)
    recipes = {}
    for number in (0, 1):
        recipes[number] = found(searched=replace(search_for(trials=2, noise=0.25), number=number))
    first, second = streams[:6], streams[6:]
    assert {seed for seed, _ in first}.isdisjoint(seed for seed, _ in second)
    assert {given for _, given in first}.isdisjoint(given for _, given in second)
    assert all(isinstance(seed, str) for seed, _ in streams)  # seeds of runs are numbers
    assert recipes[0].trials[0].values != recipes[1].trials[0].values
    assert (recipes[1].number, recipes[1].track) == (1, "tuned")
    streams.clear()
    found(replace(plan(), loss="other"), replace(search_for(trials=2, noise=0.25), number=0))
    assert streams == first
    streams.clear()
    found(replace(plan(), track="tuned_under_noise"), replace(search_for(trials=2, noise=0.25), number=0))
    for place in (0, 1):
        assert {stream[place] for stream in streams}.isdisjoint(stream[place] for stream in first)


def test_test_classes_are_never_looked_at():
    first = but_for_time(found())
    test = FEATURES.labels >= 12
    rng = np.random.default_rng(3)
    vectors, labels = FEATURES.features.copy(), FEATURES.labels.copy()
    vectors[test] = rng.normal(size=vectors[test].shape)
    labels[test] = rng.permutation(labels[test])
    assert but_for_time(found(features=Features(vectors, labels, 12, "data"))) == first
    vectors[~test] = rng.normal(size=vectors[~test].shape)
    assert but_for_time(found(features=Features(vectors, labels, 12, "data"))) != first


def test_overlapping_classes_are_noticed():
    with pytest.raises(AssertionError, match="overlap"):
        validation._assert_disjoint(np.array([0, 1]), np.array([1, 2]), FEATURES.test()[1])
    with pytest.raises(AssertionError, match="overlap"):
        validation._assert_disjoint(np.array([0, 1]), np.array([2, 12]), FEATURES.test()[1])
    validation._assert_disjoint(np.array([0, 1]), np.array([2, 3]), FEATURES.test()[1])


def test_failed_trials_count_as_trials():
    target = own_loss("return value * (float('nan') if self.weight > 0.5 else 1)")
    recipe = found(plan(target), search_for({"weight": {"values": [0.1, 1.0]}}, trials=6))
    failed = [trial.map_at_r is None for trial in recipe.trials]
    assert len(failed) == 6
    assert failed == [trial.values["weight"] > 0.5 for trial in recipe.trials]
    assert 0 < sum(failed) < 6
    assert recipe.failed_trials == sum(failed)
    assert recipe.best == {"weight": 0.1}
    # All that trained are the same training.
    assert recipe.trial_quartiles == [recipe.best_map_at_r] * 3


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_search_keeps_away_from_values_at_which_training_fails(inline, number):
    """Were failed trials left out of the model, values that always fail would look unexplored and draw most trials."""

    def score(_data, fold):
        rate = fold.plan.recipe.learning_rate
        return [0.4 + 0.02 * np.log(rate)] if rate < 0.003 else []

    searched = replace(search_for(trials=25), number=number)
    recipe = search.search_recipe(plan(), searched, FEATURES, silent(), inputs_sha256="same", validate=score)
    failed = [trial.map_at_r is None for trial in recipe.trials]
    assert any(failed[:10])
    assert sum(failed[10:]) < 8


def test_a_trial_with_one_failed_fold_has_failed(inline, monkeypatch):
    def evaluating(head, features, labels):
        if labels.min() > 0:
            raise TrainingFailure("the embeddings collapsed to one point")
        return judged(1.0)

    monkeypatch.setattr(validation, "evaluate", evaluating)
    with pytest.raises(SuiteError, match=r"tuning own on emoji: none of 4 trials trained; narrow the search space"):
        found()


def test_learning_rates_reach_the_optimiser_and_the_rest_the_loss(inline, monkeypatch):
    seen = []
    monkeypatch.setattr(validation, "fit", lambda candidate, *rest: (seen.append(candidate), None))
    monkeypatch.setattr(validation, "evaluate", lambda *rest: judged(0.5))
    by_hand = plan(pos_margin=0.1)
    recipe = found(by_hand, search_for(by_hand={"pos_margin": 0.1}))
    for candidate, trial in zip(seen[:8:2], recipe.trials, strict=True):
        assert candidate.recipe.learning_rate == trial.values["learning_rate"]
        assert candidate.recipe.proxy_learning_rate == RECIPE.proxy_learning_rate
        assert candidate.hyperparameters == {"pos_margin": 0.1, "neg_margin": trial.values["neg_margin"]}
        assert replace(candidate, hyperparameters={"pos_margin": 0.1}, recipe=SHORT) == by_hand


def test_the_best_trial_alone_is_trained_once_more(inline, monkeypatch):
    seen = []
    fit = validation.fit
    monkeypatch.setattr(validation, "fit", lambda candidate, *rest: (seen.append(candidate), fit(candidate, *rest))[1])
    recipe = found()
    again = seen[-2:]
    assert len(seen) == 10
    for candidate in again:
        assert candidate.recipe.learning_rate == recipe.best["learning_rate"]
        assert candidate.hyperparameters == {"neg_margin": recipe.best["neg_margin"]}


def test_a_value_by_hand_that_the_constructor_asks_for():
    """A constructor argument without a default that params.yaml sets; the search must not build the loss without it."""
    target = own_loss("return value")
    file = Path(target.partition(":")[0])
    file.write_text(file.read_text().replace("weight: float = 1.0", "weight: float"))
    space = {"learning_rate": SPACE["learning_rate"]}
    assert len(found(plan(target, weight=2.0), search_for(space, {"weight": 2.0}, trials=1)).trials) == 1


def test_spaces_and_batches_that_do_not_fit():
    with pytest.raises(SuiteError, match=r"params\.yaml: losses\.own\.search\.neg_margin"):
        found(searched=search_for({"neg_margin": {"low": 1}}))
    assert journal() is None
    with pytest.raises(SuiteError, match=r"recipe\.classes_per_batch = 7: only 6 classes have images; allowed: 2 to 6"):
        found(plan(recipe=SHORT.model_copy(update={"classes_per_batch": 7})))


def test_a_loss_that_kills_its_process_in_a_trial_is_named():
    with pytest.raises(SuiteError) as caught:
        found(plan(own_loss("import os\nos.kill(os.getpid(), 9)")), search_for({"weight": {"values": [2.0]}}))
    trial = "tuning own (my_losses/own.py:Own) on emoji in 2 epochs with {'weight': 2.0}"
    assert str(caught.value).startswith(f"{trial} was killed, with its process, by SIGKILL, perhaps")


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("raise KeyError('gamma')", "KeyError: 'gamma' (own.py, line "),
        ("import os\nos._exit(0)", "SystemExit: os._exit(0)"),
        ("[print('step', n) for n in range(99)]\n1 / 0", "the last line that it printed: step 98"),
    ],
)
def test_whatever_a_loss_does_in_a_trial_is_one_line_with_its_values(body, what):
    with pytest.raises(SuiteError) as caught:
        found(plan(own_loss(body)), search_for({"learning_rate": {"low": 1e-3, "high": 1e-2}}))
    told = str(caught.value)
    assert told.startswith("tuning own (my_losses/own.py:Own) on emoji in 2 epochs with {} raised ")
    assert what in told
    assert "\n" not in told
