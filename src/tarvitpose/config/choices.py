"""Every choice of the configurations and of the command line, once; joint sets: `skeleton`."""

from typing import Literal, get_args

ViTPoseSize = Literal["s", "b", "l", "h"]
Size = Literal["tiny", ViTPoseSize]
NewJoints = Literal["random", "eyes"]  # how joints start that the first weights lack
Codec = Literal["udp", "classic"]  # how joints and heatmaps turn into each other
MaskRule = Literal["paper", "released", "none", "soft"]
Layout = Literal["paper", "released"]  # how features become tokens: model/layout.py
Aggregation = Literal[
    "joints",  # JTA and GRA: Table 4 (d), Table 5 (b)
    "all_tokens",  # Table 4 (a): self-attention over the tokens of all frames
    "current_to_auxiliary",  # Table 4 (b): cross-attention from the current frame's tokens
    "auxiliary_first",  # Table 4 (c): self-attention over the auxiliary tokens, then (b)
    "regression",  # Table 5 (a): coordinates straight from JTA's queries
]
AnnotationFormat = Literal["coco", "posetrack17", "posetrack18", "dcpose", "jhmdb"]
PoseFormat = Literal["coco", "posetrack", "openpose", "mmpose", "csv", "parquet", "npz"]
TransferFormat = Literal["trc", "mot", "bvh", "label-studio"]  # what other programs go on with
Backend = Literal["auto", "torch", "openvino", "onnxruntime"]
Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
GraphPrecision = Literal["fp32", "fp16", "int8"]
CropPolicy = Literal["anchored", "window", "own"]
TemporalMode = Literal[
    "tar",  # the temporal part: the paper
    "pooled",  # single frames' heatmaps, moved along each joint's motion: nothing learned
    "fused",  # both
    "none",  # single frames: plain ViTPose
]
Temporal = Literal["auto", TemporalMode]
RowMode = Literal[TemporalMode, "mean-heatmaps"]  # of an ablation; the mean of all frames
PeakChoice = Literal["linked", "highest"]
TrackerName = Literal["body", "iou", "bytetrack", "ocsort"]
Colors = Literal["track", "side", "joints"]  # what a skeleton's colours tell apart
Facing = Literal["auto", "right", "left", "camera", "away"]  # where a person faces in the image
SmoothMethod = Literal["none", "one-euro", "savgol"]
Baseline = Literal["mediapipe", "transformers"]  # what a benchmark compares with
MeasuredMode = Literal["single", "windowed", "streaming"]
WorkerEngine = Literal["local", "ray"]  # where many videos are processed
POSE_FORMATS: tuple[PoseFormat, ...] = get_args(PoseFormat)
