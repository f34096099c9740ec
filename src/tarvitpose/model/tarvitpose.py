"""TAR-ViTPose: Figure 2 of the paper.

Axes: B batch, T frames, J joints, C channels, h w the token grid (a 16th of the crop).
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self, Unpack

import torch
from torch import Tensor, nn

from tarvitpose.config import ModelConfig, window_offsets
from tarvitpose.model.alternatives import TOKEN_MODELS, JointRegression, render_gaussians
from tarvitpose.model.decoder import Averages, build_decoder, with_averages
from tarvitpose.model.encoder import Encoder
from tarvitpose.model.gra import GRA
from tarvitpose.model.jta import JTA
from tarvitpose.model.layout import released_regions, to_features, to_tokens
from tarvitpose.model.mask import seen_regions, token_scores
from tarvitpose.weights.files import (
    WEIGHTS_FILE,
    load_into,
    read_tensors,
    save_checkpoint,
    shapes_of,
)
from tarvitpose.weights.folder import find_folder, load_config
from tarvitpose.weights.hub import HubOptions, UploadOptions, upload


class TARViTPose(nn.Module):
    """ViTPose with a temporal part; without `offsets` in its config, ViTPose alone."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder: nn.Module = build_decoder(config)
        if config.own_averages:
            self.final_averages = Averages(config.decoder_width)
        if config.temporal and config.aggregation in TOKEN_MODELS:
            self.temporal = TOKEN_MODELS[config.aggregation](config)
        elif config.temporal:
            self.jta = JTA(config)
            if config.aggregation == "joints":
                self.gra = GRA(config)
            else:
                self.regression = JointRegression(config)

    def forward(self, clip: Tensor, current: int | None = None) -> Tensor:
        """Return heatmaps of the current frame, (B, J, 4h, 4w), for a clip, (B, T, 3, H, W).

        `current` is the position of the current frame; by default the config's offsets give it.
        """
        features = self.encoder(clip.flatten(0, 1)).unflatten(0, clip.shape[:2])  # (B, T, C, h, w)
        return self.aggregate(features, self.regions(features), current)

    def single_frame(self, images: Tensor) -> Tensor:
        """Return heatmaps (B, J, 4h, 4w) of images (B, 3, H, W): plain ViTPose."""
        heatmaps: Tensor = self.decoder(self.encoder(images))
        return heatmaps

    def regions(self, features: Tensor) -> Tensor:
        """Return where joints may attend, (B, T, J, h, w) bool, for features (B, T, C, h, w)."""
        rule, threshold = self.config.mask_rule, self.config.mask_threshold
        if not self.config.masked:
            shape = (*features.shape[:2], len(self.config.joints), *features.shape[3:])
            return torch.ones(shape, dtype=torch.bool, device=features.device)
        return seen_regions(self.token_scores(features), rule, threshold)

    def token_scores(self, features: Tensor) -> Tensor:
        """Return what the mask is cut from, (B, T, J, h, w), for features (B, T, C, h, w)."""
        coarse = self.coarse_heatmaps(features.flatten(0, 1))  # (B T, J, 4h, 4w)
        scores = token_scores(coarse, self.config.mask_rule)
        return torch.unflatten(scores, 0, features.shape[:2])  # (B, T, J, h, w)

    def coarse_heatmaps(self, features: Tensor) -> Tensor:
        """Return heatmaps (B, J, 4h, 4w) of features (B, C, h, w), as a guide.

        No gradient flows through them. In training mode they move the decoder's averages, too:
        averages of restored tokens alone do not fit features, and the mask's threshold would mean
        something else at each step.
        """
        with torch.no_grad():
            coarse: Tensor = self.decoder(features)
        return coarse

    @property
    def final_decoder(self) -> nn.Module:
        """The decoder of the final heatmaps: with averages of its own, if the config says so."""
        if not self.config.own_averages:
            return self.decoder
        return with_averages(self.decoder, self.final_averages)

    def aggregate(self, features: Tensor, regions: Tensor, current: int | None = None) -> Tensor:
        """Return heatmaps (B, J, 4h, 4w) from the features and regions of a window's frames.

        `features` is (B, T, C, h, w), `regions` (B, T, J, h, w); T may differ from the config's
        where `current` is given. Raises ValueError if the model has no temporal part.
        """
        if self.config.temporal and self.config.aggregation == "regression":
            height, width = features.shape[-2:]
            mean, sigma = self.regression(self.queries(features, regions))
            return render_gaussians(mean, sigma, (4 * height, 4 * width))
        heatmaps: Tensor = self.final_decoder(self.restore(features, regions, current))
        return heatmaps

    def restore(self, features: Tensor, regions: Tensor, current: int | None = None) -> Tensor:
        """Return the current frame's features after the temporal part, (B, C, h, w)."""
        if not self.config.temporal:
            raise ValueError("this model has no temporal part: use single_frame")
        current = self._current(features.shape[1]) if current is None else current
        tokens = to_tokens(features, self.config.layout)  # (B, T, N, C)
        if self.config.aggregation in TOKEN_MODELS:
            restored = self.temporal(tokens, current)  # (B, N, C)
        else:
            restored = self.gra(tokens[:, current], self.queries(features, regions))  # (B, N, C)
        return to_features(restored, features.shape[-2:], self.config.layout)

    def queries(self, features: Tensor, regions: Tensor) -> Tensor:
        """Return what each joint's query gathered, (B, J, C), as `aggregate` takes its input."""
        tokens = to_tokens(features, self.config.layout)  # (B, T, N, C)
        if self.config.layout == "released":
            regions = released_regions(regions)
        visible = regions.transpose(1, 2).flatten(2)  # (B, J, T N)
        gathered: Tensor = self.jta(tokens.flatten(1, 2), visible)
        return gathered

    def attention(self, features: Tensor, regions: Tensor, layer: int = -1) -> Tensor:
        """Return the attention map of each joint's query, (B, J, T, h, w), a mean over JTA's heads.

        Takes what `queries` does; each joint's attention is 1 in all. Raises ValueError for
        weights without joint queries, or whose tokens are no parts of the image ("released").
        """
        if not hasattr(self, "jta") or self.config.layout == "released":
            raise ValueError(
                "attention maps need joint queries over parts of the image: not for this network"
            )
        tokens = to_tokens(features, self.config.layout).flatten(1, 2)  # (B, T N, C)
        visible = regions.transpose(1, 2).flatten(2)  # (B, J, T N)
        weights = self.jta.attention_weights(tokens, visible)[layer].mean(1)  # (B, J, T N)
        return torch.unflatten(weights, 2, (features.shape[1], *features.shape[3:]))

    def _current(self, frames: int) -> int:
        offsets, current = window_offsets(self.config.offsets)
        if frames != len(offsets):
            raise ValueError(
                f"a clip of {frames} frames came, the offsets {self.config.offsets} make "
                f"{len(offsets)}: pass clips of that length, or name the current frame"
            )
        return current

    @classmethod
    def from_pretrained(cls, source: str | Path, **hub: Unpack[HubOptions]) -> Self:
        """Load a model in evaluation mode from "default", a folder or a hub id.

        `hub` is for hub ids: `revision`, `cache_dir`, `local_files_only`, `force_download` and
        `token`, as huggingface_hub has them. Raises WeightsError that names what is missing,
        surplus or misshapen.
        """
        folder = find_folder(source, **hub)
        with torch.device("meta"):
            model = cls(load_config(folder))
        file = folder / WEIGHTS_FILE
        load_into(model, read_tensors(file, shapes_of(model.state_dict())), str(file))
        return model.eval()

    def save_pretrained(self, folder: str | Path, *, half: bool = False) -> None:
        """Write `model.safetensors` (float16 if `half`) and `config.json` into a folder."""
        save_checkpoint(Path(folder), self.config, self.state_dict(), half=half)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        half: bool = False,
        license: str = "unknown",
        **hub: Unpack[UploadOptions],
    ) -> str:
        """Upload `save_pretrained`'s files, and a model card; return the address of the commit.

        `license` is of these weights, by the hub's names; the repository's own README stays. `hub`
        is `commit_message`, `private`, `token`, `branch` and `create_pr`, as huggingface_hub has
        them. Raises OutputError.
        """
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder, half=half)
            return upload(Path(folder), repo_id, self.config, license, hub)
