"""Pages of the losses: definition, values and how they were tuned, influence, training curves, seconds."""

from typing import Any

import pandas as pd

from suite.errors import SuiteError
from suite.evaluation.retrieval import MAIN_METRIC, METRICS
from suite.judging.handed_in.standing import shown_records
from suite.judging.leaderboard.verdicts import EXPLAINED, as_cells, sentence
from suite.losses.build import TRAINING_SETTINGS
from suite.losses.influence.scene import PAIRS
from suite.losses.registry import DEFAULT, find_loss
from suite.report.figures.influence import TITLES
from suite.report.figures.style import looks
from suite.report.formulas import typeset
from suite.report.site.charts import Spec
from suite.report.site.handed_in import about
from suite.report.site.inputs import Inputs, Searched
from suite.report.site.loss_charts import curves_chart, influence_chart, trials_chart
from suite.report.site.pages import Pages, slug
from suite.report.text import space_text, value_text
from suite.settings.params import LossSettings
from suite.settings.plans import PLANS

Shown = dict[str, Any]


def write_losses(pages: Pages, inputs: Inputs) -> None:
    """Write ``losses.html`` and a page a loss."""
    look = looks(inputs.losses)
    shown = []
    for name in inputs.losses:
        loss: Shown = {"name": name, "href": f"loss-{slug(name)}.html", "look": look[name]}
        theirs = inputs.handed_in.get(name)
        loss |= _definition(name, inputs.declared.get(name))
        loss["handed_in"] = None if theirs is None else about(theirs)
        if theirs is not None:
            loss |= {key: loss["handed_in"][key] for key in ("target", "formula", "source")}  # read, and not run
        shown.append(loss)
    pages.write("losses.html", "losses", "Losses", losses=shown)
    for loss in shown:
        _write_loss(pages, inputs, loss)


def _write_loss(pages: Pages, inputs: Inputs, loss: Shown) -> None:
    name = loss["name"]
    charts: dict[str, Spec] = {}
    loss["verdicts"] = _verdicts(inputs.verdicts, name)
    loss["verdicts_explained"] = EXPLAINED.format(metric=METRICS[MAIN_METRIC].label)
    loss["settings"] = _values(inputs, name)
    found = [inputs.recipes.get((regime, dataset, name)) for regime in PLANS for dataset in inputs.datasets]
    loss["tuning"] = [_tuning(searched, charts) for searched in found if searched is not None]
    regimes = set() if inputs.board.empty else set(inputs.board.loc[inputs.board["loss"] == name, "regime"])
    loss["on_a_board"] = bool(regimes)
    loss["study"] = f"suite extended DATASET {name}{' --regime finetuned' if regimes == {'finetuned'} else ''}"
    loss["studied"] = name in inputs.declared and name not in inputs.grid
    loss["influence"] = _influence(inputs, name, charts)
    loss["unmeasured"] = inputs.unmeasured.get(name)
    loss["curves"] = _curves(inputs, name, charts)
    loss["without_records"] = [dataset for dataset, each in inputs.without_records if each == name]
    drawn = set(inputs.curves.loc[inputs.curves["loss"] == name, "dataset"])
    loss["without_curves"] = [d for d in inputs.datasets if (d, name) in inputs.on_board and d not in drawn]
    loss["seconds"] = _seconds(inputs.times, name)
    look = looks(inputs.losses)
    legend = [(each, look[each]) for each in (name, *_beside(inputs, name))]
    pages.write(loss["href"], "loss", name, "losses.html", loss=loss, charts=charts, legend=legend)


def _definition(name: str, declared: LossSettings | None) -> Shown:
    """What the class declares; a class that is gone leaves a page without a definition."""
    try:
        entry = None if declared is None else find_loss(name, declared)
    except SuiteError:
        entry = None
    cls, target = (None, None) if entry is None else (entry.cls, entry.target)
    formula = getattr(cls, "formula", None)
    return {
        "target": target,
        "formula": formula,
        "typeset": typeset(target, formula),
        "source": getattr(cls, "source", None),
        "undisclosed": list(getattr(cls, "undisclosed", ())),
    }


def _verdicts(verdicts: pd.DataFrame | None, name: str) -> list[Shown]:
    """The loss against pfml and the best baseline, a table for each regime and track.

    The verdict stands where a narrow screen shows it.
    """
    mine = pd.DataFrame() if verdicts is None else verdicts[verdicts["loss"] == name]
    shown = []
    for (regime, track), rows in mine.groupby(["regime", "track"], sort=False) if len(mine) else ():
        table = pd.DataFrame(as_cells(rows)[1], columns=as_cells(rows)[0])
        table.insert(3, "verdict", table.pop("verdict"))
        text = [place for place, head in enumerate(table.columns) if head in ("against", "verdict")]
        shown.append(
            {
                "title": f"Regime {regime}, tuning track {track}",
                "sentence": sentence(rows),
                "heads": list(table.columns),
                "rows": table.to_numpy().tolist(),
                "text": text,
            }
        )
    return shown


def _values(inputs: Inputs, name: str) -> list[Shown]:
    """Values of the runs, a table a regime: constructor arguments and learning rates.

    A column is a data set and track; its cells have the value of each search where searches differ.
    """
    theirs = inputs.handed_in.get(name)
    own = (*inputs.records, *inputs.studied, *inputs.finetuned)
    tables: dict[str, dict[str, dict[int | None, dict[str, Any]]]] = {}
    for record in own if theirs is None else shown_records(theirs.bundle):
        if record.loss == name and record.regime in PLANS:
            rates = {key: record.recipe[key] for key in TRAINING_SETTINGS if key in record.recipe}
            columns = tables.setdefault(record.regime, {})
            searches = columns.setdefault(f"{record.dataset}, {record.track}", {})
            searches.setdefault(record.search, {**record.hyperparameters, **rates})
    return [_table(regime, columns) for regime, columns in tables.items()]


def _table(regime: str, columns: dict[str, dict[int | None, dict[str, Any]]]) -> Shown:
    names = dict.fromkeys(key for searches in columns.values() for values in searches.values() for key in values)
    rows = [[key, *(_cell(searches, key) for searches in columns.values())] for key in names]
    heads = ["hyper-parameter", *(head + _numbers(searches) for head, searches in columns.items())]
    return {"caption": f"Values that were run, regime {regime}", "heads": heads, "rows": rows}


def _in_order(searches: dict[int | None, Any]) -> list[int | None]:
    return sorted(searches, key=lambda number: -1 if number is None else number)


def _numbers(searches: dict[int | None, Any]) -> str:
    numbers = [str(number) for number in _in_order(searches) if number is not None]
    return f", search{'es' if len(numbers) > 1 else ''} {', '.join(numbers)}" if numbers else ""


def _cell(searches: dict[int | None, dict[str, Any]], key: str) -> str:
    """The value of all searches, or that of each by their numbers."""
    texts = [value_text(searches[number].get(key, "")) for number in _in_order(searches)]
    return texts[0] if len(set(texts)) == 1 else ", ".join(text or "default" for text in texts)


def _tuning(searched: Searched, charts: dict[str, Spec]) -> Shown:
    recipe = searched.recipe
    of_regime = "" if recipe.regime == "frozen" else f"{recipe.regime}-"
    chart = f"trials-{of_regime}{slug(recipe.dataset)}"
    place = (
        f"{recipe.dataset}, regime {recipe.regime}, track {recipe.track}, search {recipe.number} of {searched.searches}"
    )
    charts[chart] = trials_chart(recipe)
    space = [
        [key, space_text(values), value_text(recipe.best.get(key, ""))] for key, values in recipe.search_space.items()
    ]
    names = list(recipe.search_space)
    trials = [
        [number, *(value_text(dict(trial.values).get(key, "")) for key in names), _percent(trial.map_at_r)]
        for number, trial in enumerate(recipe.trials, 1)
    ]
    best = ", ".join(f"{key} {value_text(value)}" for key, value in recipe.best.items())
    caption = (
        f"Searched on {place}: {len(recipe.trials)} trials, {recipe.folds} folds; the line is the best so far. "
        f"Chosen: {best} ({_percent(recipe.best_map_at_r)} %)."
    )
    heads = ["trial", *names, "MAP@R, %"]
    return {
        "place": place,
        "chart": chart,
        "caption": caption,
        "space": space,
        "heads": heads,
        "trials": trials,
    }


def _influence(inputs: Inputs, name: str, charts: dict[str, Spec]) -> list[tuple[str, str]]:
    curves = inputs.influence
    if curves is None or name not in set(curves["loss"]):
        return []
    shown = []
    for pair in PAIRS:
        charts[f"influence-{pair}"] = influence_chart(curves, name, _beside(inputs, name), inputs.losses, pair)
        mine = curves[(curves["loss"] == name) & (curves["pair"] == pair)]
        place = mine.loc[mine["normalised"].abs().idxmax(), "distance"]
        caption = f"{TITLES[pair].capitalize()}: strongest at distance {place:g}. The bold line is {name}."
        shown.append((f"influence-{pair}", caption))
    return shown


def _beside(inputs: Inputs, name: str) -> list[str]:
    """The losses whose influence stands beside that of a loss: the default ones, so that lines can be told apart."""
    return [loss for loss in inputs.losses if loss in DEFAULT and loss != name]


def _curves(inputs: Inputs, name: str, charts: dict[str, Spec]) -> list[tuple[str, str]]:
    mine = inputs.curves[inputs.curves["loss"] == name]
    shown = []
    for dataset, rows in mine.groupby("dataset", sort=False):
        key = f"curves-{slug(dataset)}"
        charts[key] = curves_chart(rows, name, dataset)
        last = rows[rows["epoch"] == rows["epoch"].max()].groupby("noise_level")["value"].mean()
        ends = ", ".join(f"{value:.3g} at noise {level:g}" for level, value in last.items())
        shown.append((key, f"Mean training loss on {dataset}; after the last epoch, over seeds: {ends}."))
    return shown


def _seconds(times: pd.DataFrame | None, name: str) -> Shown | None:
    """Seconds of the loss's runs, a row a data set."""
    if times is None or name not in set(times["loss"]):
        return None
    rows = [
        [row.dataset, row.runs, f"{row.mean_seconds:.1f}", f"{row.seconds:.0f}"]
        for row in times[times["loss"] == name].itertuples()
    ]
    return {"heads": ["data set", "runs", "mean of a run", "all runs"], "rows": rows}


def _percent(share: float | None) -> str:
    return "failed" if share is None else f"{100 * share:.2f}"
