"""The words of the page, as HTML."""

from __future__ import annotations

from html import escape

from tarvitpose.runs.pipeline import Outcome, Progress
from tarvitpose.web.limits import Limits

TITLE = "TAR-ViTPose: poses from video"
WAITING = "Choose a video, record one, or take the example."
STOPPED = "Stopped. Nothing was kept."
BROKEN = (
    "Something went wrong inside the server, and its terminal says what. "
    "Other videos may work all the same."
)


def heading(limits: Limits, minutes: float) -> str:
    """Return what the page is, in two sentences, and what it keeps for how long."""
    return (
        "<h1>Poses from video</h1>"
        "<p>Give it a video with people, and it comes back with everybody's joints drawn on it, "
        "each person in a colour and with a number that stays. "
        "You can download the poses as data in the usual formats.</p>"
        "<p class='quiet'>The video stays on the machine that runs this page; it is removed when "
        f"you close the page, or {counted(round(minutes), 'minute')} after you last used it. "
        f"At most {limits.megabytes:g} MB and {limits.seconds:g} s.</p>"
    )


def note(text: str) -> str:
    """Return a line of status."""
    return f"<p class='status' role='status'>{escape(text)}</p>"


def problem(text: str) -> str:
    """Return a line about something that did not work."""
    return f"<p class='status problem' role='alert'>{escape(text)}</p>"


def done(outcome: Outcome) -> str:
    """Return what came out of a video, and its warnings."""
    pace = outcome.frames / outcome.seconds if outcome.seconds else 0.0
    text = (
        f"Done: {counted(outcome.frames, 'frame')} in {outcome.seconds:.1f} s "
        f"({pace:.1f} frames/s), {counted(outcome.tracks, 'person', 'people')} in all, "
        f"at most {outcome.people} at once."
    )
    warnings = "".join(f"<p class='status problem'>{escape(one)}</p>" for one in outcome.warnings)
    return note(text) + warnings


def waiting(before: int) -> str:
    """Return how many others are served first."""
    are = "job is" if before == 1 else "jobs are"
    return note(f"Waiting: {before} {are} before yours.") + "<progress></progress>"


def working(progress: Progress | None, pace: float | None) -> str:
    """Return how far a job is; `pace` is in frames a second."""
    if progress is None:
        text = "Loading the model and looking at the first frames ..."
        return note(text) + "<progress></progress>"
    people = counted(progress.people, "person", "people")
    if progress.total is None:
        return note(f"Frame {progress.frame}, {people}.") + "<progress></progress>"
    text = f"Frame {progress.frame} of {progress.total}, {people}."
    if pace:
        left = max(progress.total - progress.frame, 0) / pace
        text = f"{text} {pace:.1f} frames/s, about {duration(left)} left."
    bar = f"<progress value='{progress.frame}' max='{progress.total}'></progress>"
    return note(text) + bar


def duration(seconds: float) -> str:
    """Return a length of time as people say it.

    >>> duration(7.2), duration(200)
    ('7 s', '3 min 20 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun.

    >>> counted(1, "frame"), counted(2, "person", "people")
    ('1 frame', '2 people')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"
