"""What ``dvc repro`` ends with: verdicts by family of claims, verdicts on the user's losses, and where to look next."""

from suite.judging.leaderboard.verdicts import sentence, user_losses
from suite.report.families import claims_summary
from suite.report.results import read_claims, read_verdicts
from suite.settings.params import Settings
from suite.settings.paths import BOARD_FILE, CLAIMS_FILE, SITE_FOLDER, VERDICTS_FILE


def closing_lines(settings: Settings) -> list[str]:
    """Lines for the terminal. What has not been made yet is left out."""
    places = {
        "Claims in full": CLAIMS_FILE.with_suffix(".md"),
        "Leaderboard": BOARD_FILE.with_suffix(".md"),
        "Site": SITE_FOLDER / "index.html",
    }
    found = [f"{name + ':':<16}{path}" for name, path in places.items() if path.is_file()]
    check = [f"{'Check:':<16}suite verify   # do these records reproduce those in git?"] if BOARD_FILE.is_file() else []
    parts = (_claims(), user_verdicts(settings), [*found, *check])
    lines: list[str] = []
    for part in filter(None, parts):
        lines += ["", *part] if lines else part
    return lines


def _claims() -> list[str]:
    return claims_summary(read_claims(CLAIMS_FILE)) if CLAIMS_FILE.is_file() else []


def user_verdicts(settings: Settings) -> list[str]:
    """A sentence on each loss that is not built in, of the tuned track; nothing before there is a leaderboard."""
    if not VERDICTS_FILE.is_file():
        return []
    table = read_verdicts(VERDICTS_FILE)
    tuned = table[table["track"] == "tuned"]
    rows = [tuned[tuned["loss"] == loss] for loss in user_losses(settings)]
    return [f"{sentence(mine)} More: suite compare {mine['loss'].iloc[0]}" for mine in rows if len(mine)]
