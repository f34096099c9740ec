"""What the user can put right: the command line prints one line and exits with code 2."""


class UserError(Exception):
    """Say what was expected, what came and what to do, in one line."""


class ConfigError(UserError):
    """A configuration file, a key in it or a value is wrong."""


class VideoError(UserError):
    """A video, a folder of frames or an image cannot be read or written."""


class WeightsError(UserError):
    """A weights folder or checkpoint is missing, incomplete or of another model."""


class BoxesError(UserError):
    """A file of boxes lacks something, or a detector cannot be used."""


class DataError(UserError):
    """A data set is incomplete or contradicts itself."""


class OutputError(UserError):
    """A result cannot be written where it was asked for."""


class MissingDependencyError(UserError):
    """An optional package is needed for what was asked."""

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package}: pip install 'tarvitpose[{extra}]'"
        )
