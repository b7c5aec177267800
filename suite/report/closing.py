"""What ``dvc repro`` ends with: verdicts by question, those on the user's losses, what was found, and where to look next.

A terminal shows the end of what is printed: whether PFML wins, and what weakens that, stand there, on the last screen.
"""

from suite.judging.leaderboard.verdicts import sentence, user_losses
from suite.report.families import claims_summary
from suite.report.finding import findings
from suite.report.results import joined, read_boards, read_claim_files, read_verdict_files, read_verdicts
from suite.settings.params import Settings
from suite.settings.paths import BOARD_FILE, CLAIMS_FILE, RESULTS_FOLDER, SITE_FOLDER, VERDICTS_FILE


def closing_lines(settings: Settings) -> list[str]:
    """Lines for the terminal. What has not been made yet is left out."""
    places = {
        "Claims in full": CLAIMS_FILE.with_suffix(".md"),
        "Leaderboard": BOARD_FILE.with_suffix(".md"),
        "Site": SITE_FOLDER / "index.html",
    }
    found = [f"{name + ':':<16}{path}" for name, path in places.items() if path.is_file()]
    check = [f"{'Check:':<16}suite verify   # do these records reproduce those in git?"] if BOARD_FILE.is_file() else []
    reports = read_claim_files(RESULTS_FOLDER)
    summary = [line for report in reports.values() for line in claims_summary(report)]
    board, verdicts = read_boards(RESULTS_FOLDER), read_verdict_files(RESULTS_FOLDER)
    told = [sentence for each in findings(board, verdicts, joined(reports)) for sentence in each.brief()]
    parts = (summary, user_verdicts(settings), told, [*found, *check])
    lines: list[str] = []
    for part in filter(None, parts):
        lines += ["", *part] if lines else part
    return lines


def user_verdicts(settings: Settings) -> list[str]:
    """A sentence on each loss that is not built in, of the tuned track; nothing before there is a leaderboard."""
    if not VERDICTS_FILE.is_file():
        return []
    table = read_verdicts(VERDICTS_FILE)
    tuned = table[table["track"] == "tuned"]
    rows = [tuned[tuned["loss"] == loss] for loss in user_losses(settings)]
    return [f"{sentence(mine)} More: suite compare {mine['loss'].iloc[0]}" for mine in rows if len(mine)]
