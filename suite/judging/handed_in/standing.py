"""How far handed-in rows were checked: reruns that stand beside a bundle, what follows from them, and how they are drawn."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from suite.errors import SuiteError, allowed, shortened
from suite.evaluation.records import Record
from suite.evaluation.retrieval import METRICS
from suite.judging.handed_in.bundle import Bundle, processor_told
from suite.judging.handed_in.compare import FIXED, MARGIN, MEASURED, Pair, judge
from suite.judging.handed_in.protocol import REGIMES, suite_version
from suite.judging.verify import RerunOutcome
from suite.randomness import stream
from suite.settings.paths import PAPER_VALUES
from suite.settings.reading import Strict, explain_first

NOT_RERUN, SPOT_CHECKED, UNDECIDED, NOT_REPRODUCED = "not rerun", "spot-checked", "undecided", "not reproduced"
"""Marks of a handed-in row: no spot check of its regime and tuning track, a last one that reproduced its runs or could not
tell, or any that did not."""
MARKS = {
    RerunOutcome.REPRODUCED: SPOT_CHECKED,
    RerunOutcome.CANNOT_TELL: UNDECIDED,
    RerunOutcome.NOT_REPRODUCED: NOT_REPRODUCED,
}
_NAMED = 4
"""Runs that are named of a sample."""


class Rerun(Strict):
    """What a run of a bundle gave when it was computed anew."""

    config_sha256: str
    """Of the run."""
    found: dict[str, Any] | None
    """Fields of its record that say what it gave; None where it raised an error or was killed."""
    raised: str = ""

    @classmethod
    def of(cls, config_sha256: str, here: Record | None, raised: str) -> "Rerun":
        """From a record made here, or from what was raised, which is somebody else's text."""
        told = re.sub(r"[^A-Za-z0-9 .,:_()\'/-]", "?", shortened(raised, 300))
        fields = None if here is None else here.model_dump(mode="json", include={*FIXED, *MEASURED})
        return cls(config_sha256=config_sha256, found=fields, raised=told)


class SpotCheck(Strict):
    """Some runs of a bundle computed anew. What follows from that is judged each time it is asked."""

    draw: int
    """Seed of the sample."""
    margin: Annotated[float, Field(gt=0, le=MARGIN)]
    """Points up to which a mean difference counts as none."""
    processor: str
    """The kind of processor that computed them."""
    versions: dict[str, str]
    """Of Python and the libraries that they were computed with."""
    features_sha256: dict[str, str]
    """Of the feature files that they read, by data set."""
    reruns: Annotated[tuple[Rerun, ...], Field(min_length=1)]
    """What each run gave, in the order in which they were drawn."""
    suite_version: str


class Merged(Strict):
    """What stands beside a bundle."""

    sha256: str
    """Of the bundle."""
    spot_checks: tuple[SpotCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """How far rows of a regime and tuning track were checked.

    Attributes:
        mark: of the rows; one check that did not reproduce its runs outweighs all others.
        told: the check from which it follows, and what that drew; empty if none drew any run there.
    """

    mark: str = NOT_RERUN
    told: str = ""


@dataclass(frozen=True, slots=True)
class HandedIn:
    """A bundle on the board, and what is known of it."""

    bundle: Bundle
    merged: Merged

    def standing(self, regime: str, track: str) -> Standing:
        """How far the rows of a regime and tuning track were checked."""
        places = [record for record in shown_records(self.bundle) if (record.regime, record.track) == (regime, track)]
        judged = []
        for check in self.merged.spot_checks:
            pairs = [pair for pair in self.pairs(check) if (pair.record.regime, pair.record.track) == (regime, track)]
            if pairs:
                outcome, told = judge(pairs, check.margin)
                named = [f"{pair.record.dataset} {pair.record.noise_level:g} seed {pair.record.seed}" for pair in pairs]
                more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
                drawn_ = f"drawn {len(named)} of {len(places)}: {allowed(named[:_NAMED])}{more}"
                others = [
                    name
                    for name in self.other_features(check)
                    if regime == "frozen" and outcome != RerunOutcome.REPRODUCED
                ]
                told += f"; the features of {allowed(others)} are others here" if others else ""
                judged.append((outcome, f"{outcome}: {told} ({drawn_})"))
        if not judged:
            return Standing()
        bad = [place for place, (outcome, _) in enumerate(judged) if outcome == RerunOutcome.NOT_REPRODUCED]
        number = bad[-1] if bad else len(judged) - 1
        outcome, told = judged[number]
        mark = MARKS[outcome]
        return Standing(mark, told if len(judged) == 1 else f"check {number + 1} of {len(judged)}: {told}")

    def pairs(self, check: SpotCheck) -> list[Pair]:
        """Records that a check drew, with what their runs gave here.

        Raises:
            SuiteError: it is no check of this bundle, or did not draw these runs.
        """
        records = {record.config_sha256: record for record in shown_records(self.bundle)}
        given = [rerun.config_sha256 for rerun in check.reruns]
        if given != [record.config_sha256 for record in drawn(self.bundle, len(given), check.draw)]:
            raise SuiteError(f"a spot check holds other runs than draw {check.draw} draws")
        return [self._pair(records[rerun.config_sha256], rerun, check) for rerun in check.reruns]

    def _pair(self, record: Record, rerun: Rerun, check: SpotCheck) -> Pair:
        if rerun.found is None:
            return Pair(record, None, rerun.raised)
        wrong = sorted(rerun.found.keys() ^ {*FIXED, *MEASURED})
        if wrong:
            raise SuiteError(f"a spot check has other fields than a record states as outcome: {allowed(wrong)}")
        same = made_here(self.bundle, record, check.processor, check.versions)
        try:
            here = Record.model_validate(record.model_dump() | rerun.found)
        except ValidationError as error:
            raise SuiteError(explain_first(error, Record, Path("a spot check"))) from error
        if unknown := sorted(
            {*here.metrics, *(here.validation_epoch.metrics if here.validation_epoch else ())} - {*METRICS}
        ):
            raise SuiteError(f"a spot check has the metric {unknown[0]}; allowed: {allowed(METRICS)}")
        return Pair(record, here, same_machine=same)

    def other_features(self, check: SpotCheck) -> list[str]:
        """Data sets whose features were others where a check computed than where the records were made."""
        theirs = self.bundle.manifest.features_sha256
        return sorted(name for name, digest in check.features_sha256.items() if theirs.get(name) != digest)

    def version(self) -> str:
        """The version of the suite that made it, if it is another one."""
        theirs = self.bundle.manifest.suite_version
        return "" if theirs == suite_version() else theirs


def made_here(bundle: Bundle, record: Record, processor: str, versions: Mapping[str, str]) -> bool:
    """Whether a bundle says that a record was computed on this kind of processor, and with these versions."""
    return bundle.manifest.hardware == [processor_told(processor)] and record.versions.items() <= versions.items()


def shown_records(bundle: Bundle) -> list[Record]:
    """Records of a bundle that can stand on a board."""
    kinds = (*REGIMES, PAPER_VALUES)
    return [record for kind in kinds for records in bundle.records_of(kind).values() for record in records]


def drawn(bundle: Bundle, count: int, seed: int) -> list[Record]:
    """Records whose runs are computed anew: at random, in turn from each regime and tuning track, there from each data set.

    So a sample of as many runs as there are regimes and tracks holds one of each. Failed runs come first: a bad seed that is
    told as failed is seen by nothing else. The same bundle, count and seed give the same ones.
    """
    records = shown_records(bundle)
    order = [records[place] for place in stream("spot check", seed).permutation(len(records))]
    order.sort(key=lambda record: record.status != "failed")  # stable
    turns = _turns(order, lambda record: (record.regime, record.track, record.dataset))
    order.sort(key=lambda record: turns[record.config_sha256])  # stable: by chance within a turn
    turns = _turns(order, lambda record: (record.regime, record.track))
    return sorted(order, key=lambda record: turns[record.config_sha256])[:count]


def _turns(records: Sequence[Record], group: Callable[[Record], object]) -> dict[str, int]:
    """For each record, how many of its group come before it."""
    counts, turns = Counter[object](), dict[str, int]()
    for record in records:
        turns[record.config_sha256] = counts[group(record)]
        counts[group(record)] += 1
    return turns
