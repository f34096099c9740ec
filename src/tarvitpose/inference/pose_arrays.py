"""The joints of some people, before they are part of a frame.   Axes: N people, J joints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tarvitpose.utils.arrays import Float32


@dataclass(frozen=True)
class PoseArrays:
    """The joints of N people, and in a comparison what single frames alone give for them."""

    keypoints: Float32  # (N, J, 2) in pixels of the frame
    scores: Float32  # (N, J)
    single_keypoints: Float32 | None = None
    single_scores: Float32 | None = None

    def table(self) -> Float32:
        """Return all numbers in a row for each person, (N, 3 J), or (N, 6 J) in a comparison."""
        columns = [self.keypoints, self.scores[..., None]]
        if self.single_keypoints is not None and self.single_scores is not None:
            columns += [self.single_keypoints, self.single_scores[..., None]]
        together = np.concatenate(columns, 2)  # (N, J, 3 or 6)
        return together.reshape(len(together), together.shape[1] * together.shape[2])

    @classmethod
    def from_table(cls, table: Float32, joints: int) -> PoseArrays:
        """Return what `table` was made of, for so many joints."""
        numbers = table.reshape(
            len(table), joints, table.shape[1] // joints
        ).copy()  # (N, J, 3 or 6)
        poses = cls(numbers[..., :2], numbers[..., 2])
        if numbers.shape[2] == 3:
            return poses
        return cls(poses.keypoints, poses.scores, numbers[..., 3:5], numbers[..., 5])

    @classmethod
    def of_nobody(cls, joints: int, *, compare: bool) -> PoseArrays:
        """Return arrays of no people."""
        keypoints, scores = np.zeros((0, joints, 2), np.float32), np.zeros((0, joints), np.float32)
        return cls(keypoints, scores, *((keypoints, scores) if compare else ()))

    @classmethod
    def joined(cls, parts: Sequence[PoseArrays]) -> PoseArrays:
        """Return several groups of people as one; either all have single frames or none."""
        columns = zip(*(part._arrays() for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    def split(self, people: Sequence[int]) -> list[PoseArrays]:
        """Return groups of people that follow each other, where `people` says how many each has."""
        ends = np.cumsum(people, dtype=np.int64)
        columns = [np.split(array, ends)[:-1] for array in self._arrays()]
        return [PoseArrays(*arrays) for arrays in zip(*columns, strict=True)]

    def _arrays(self) -> list[Float32]:
        arrays = (self.keypoints, self.scores, self.single_keypoints, self.single_scores)
        return [array for array in arrays if array is not None]
