"""The joints of some people, before they are part of a frame.   Axes: N people, J joints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from tarvitpose.utils.arrays import Float32


@dataclass(frozen=True)
class PoseArrays:
    """The joints of N people, and where asked for what single frames alone give, or lower peaks."""

    keypoints: Float32  # (N, J, 2) in pixels of the frame
    scores: Float32  # (N, J)
    single_keypoints: Float32 | None = None  # (N, J, 2), in a comparison
    single_scores: Float32 | None = None  # (N, J), likewise
    lower_peaks: Float32 | None = None  # (N, J, 2, 3), x, y and score; never in a comparison

    def table(self) -> Float32:
        """Return all numbers in a row for each person: (N, 3 J), (N, 6 J) in a comparison.

        With lower peaks they are (N, 9 J).
        """
        people, joints = self.scores.shape
        columns = [
            array.reshape(people, joints, prod(array.shape[2:]))
            for array in self._arrays().values()
        ]
        together = np.concatenate(columns, 2)  # (N, J, 3, 6 or 9)
        return together.reshape(people, joints * together.shape[2])

    @classmethod
    def from_table(cls, table: Float32, joints: int) -> PoseArrays:
        """Return what `table` was made of, for so many joints."""
        people, width = len(table), table.shape[1] // joints
        numbers = table.reshape(people, joints, width).copy()  # (N, J, 3, 6 or 9)
        keypoints, scores, others = numbers[..., :2], numbers[..., 2], numbers[..., 3:]
        if width == 6:
            return cls(keypoints, scores, others[..., :2], others[..., 2])
        if width == 9:
            return cls(keypoints, scores, lower_peaks=others.reshape(people, joints, 2, 3))
        return cls(keypoints, scores)

    @classmethod
    def of_nobody(cls, joints: int, *, compare: bool, peaks: bool) -> PoseArrays:
        """Return arrays of no people."""
        width = 9 if peaks else 6 if compare else 3
        return cls.from_table(np.zeros((0, joints * width), np.float32), joints)

    @classmethod
    def joined(cls, parts: Sequence[PoseArrays]) -> PoseArrays:
        """Return several groups of people as one; all have the same arrays."""
        groups = [part._arrays() for part in parts]
        return cls(**{name: np.concatenate([g[name] for g in groups]) for name in groups[0]})

    def split(self, people: Sequence[int]) -> list[PoseArrays]:
        """Return groups of people that follow each other, where `people` says how many each has."""
        ends = np.cumsum(people, dtype=np.int64)
        columns = {name: np.split(array, ends) for name, array in self._arrays().items()}
        return [
            PoseArrays(**{name: parts[group] for name, parts in columns.items()})
            for group in range(len(people))
        ]

    def _arrays(self) -> dict[str, Float32]:
        return {name: array for name, array in vars(self).items() if array is not None}
