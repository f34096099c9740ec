"""`tarvitpose evaluate`: scores of a model's poses, or of poses in files."""

from tarvitpose.cli.evaluate_options import EvaluateConfig, check_files, parse_degradations
from tarvitpose.cli.options import with_options


@with_options(EvaluateConfig)
def run(*, config: EvaluateConfig) -> None:
    """Score poses against labels.

    With --weights a model is scored with and without its temporal part: PoseTrack's AP and PCK,
    COCO's AP (--format coco), PCK by motion beside baselines that learn nothing (--motion), PCK of
    clips made from stills (--degradations), or jitter (--videos).
    With --predictions, files are scored: PoseTrack's AP as poseval computes it, for any of its
    formats, and with --tracks who is who; or poses of any format against their --correction.
    """
    mode = config.mode()
    if config.degradations is not None:
        parse_degradations(config.degradations)
    check_files(config)
    match mode:
        case "correction":
            from tarvitpose.cli.evaluate_files import score_correction as score
        case "predictions":
            from tarvitpose.cli.evaluate_files import score_files as score
        case "degradations":
            from tarvitpose.cli.evaluate_clips import score_clips as score
        case "videos":
            from tarvitpose.cli.evaluate_videos import score_videos as score
        case "motion":
            from tarvitpose.cli.evaluate_motion import score_motion as score
        case _:
            from tarvitpose.cli.evaluate_model import score_model as score
    score(config)
