"""Object keypoint similarity, COCO's measure of one joint.   Axes: N people, J joints."""

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.utils.arrays import Float64

AREA_OF_BOX = 0.53  # what a person fills of its box, where the annotation has no area


def similarity(
    keypoints: ArrayLike, truth: ArrayLike, areas: ArrayLike, sigmas: ArrayLike
) -> Float64:
    """Return the similarity of each joint, (N, J): 1 at the label, falling like a Gaussian.

    `keypoints` and `truth` are (N, J, 2) in pixels, `areas` (N,) the people's in pixels², and
    `sigmas` (J,) how far annotators are apart, as a share of a person's size. The OKS of a person
    is the mean over its labelled joints.

    >>> area, sigma = 3600, 0.062  # a wrist
    >>> similarity([[[2 * sigma * 60, 0]]], [[[0, 0]]], [area], [sigma]).round(3).tolist()
    [[0.607]]
    """
    distance = np.linalg.norm(np.asarray(keypoints) - np.asarray(truth), axis=-1)
    variance = 4 * np.square(sigmas) * np.asarray(areas)[:, None]  # COCO's k is twice sigma
    return np.asarray(np.exp(-(distance**2) / (2 * variance)))
