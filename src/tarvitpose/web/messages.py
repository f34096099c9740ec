"""The texts of the page; those of its status lines are HTML."""

from html import escape

from tarvitpose.runs.pipeline import Outcome, RunProgress
from tarvitpose.utils.words import counted
from tarvitpose.web.limits import Limits

TITLE = "TAR-ViTPose: poses from video"
CHOOSE = "Choose a video, record one, or take the example."
LOADING = "Loading the model and reading the first frames"
BROKEN = (
    "Something went wrong inside the server, and its terminal says what. "
    "Other videos may work all the same."
)


def heading(limits: Limits, minutes: float) -> str:
    """Return what the page does, and how long it holds a video."""
    return (
        "<h1>Poses from video</h1>"
        "<p>Give it a video with people, and it comes back with everybody's joints drawn on it, "
        "each person in a colour and with a number that stays. "
        "You can download the poses as data in the usual formats.</p>"
        "<p class='quiet'>The video stays on the machine that runs this page; it is removed when "
        f"you close the page, at the latest after {counted(round(minutes), 'minute')}. "
        f"At most {limits.megabytes:g} MB and {limits.seconds:g} s.</p>"
    )


def note(text: str) -> str:
    """Return a line of status."""
    return f"<p class='status' role='status'>{escape(text)}</p>"


def problem(text: str) -> str:
    """Return a line of status about a failure."""
    return f"<p class='status problem' role='alert'>{escape(text)}</p>"


STOPPED_LINE = note("Stopped. There are no results.")
NO_ANSWER_LINE = problem(
    "The server gave no answer: too many jobs are waiting, or it failed, and then its terminal "
    "says why. Try again later."
)


def done(outcome: Outcome) -> str:
    """Return a summary of a job's results, and its warnings."""
    pace = outcome.frames / outcome.seconds if outcome.seconds else 0.0
    text = (
        f"Done: {counted(outcome.frames, 'frame')} in {outcome.seconds:.1f} s "
        f"({pace:.1f} frames/s), {counted(outcome.tracks, 'person', 'people')} in all, "
        f"at most {outcome.people} at once."
    )
    warnings = "".join(f"<p class='status problem'>{escape(line)}</p>" for line in outcome.warnings)
    return note(text) + warnings


def working(progress: RunProgress, pace: float | None) -> str:
    """Return how far a job is, beside the number of the frame; `pace` is in frames a second."""
    text = counted(progress.people, "person", "people")
    if progress.total is None or not pace:
        return text
    left = max(progress.total - progress.frame, 0) / pace
    return f"{text}, {pace:.1f} frames/s, about {duration(left)} left"


def duration(seconds: float) -> str:
    """Return a length of time in minutes and seconds.

    >>> duration(7.2), duration(200)
    ('7 s', '3 min 20 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
