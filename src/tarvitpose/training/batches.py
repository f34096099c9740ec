"""From a configuration's sources to the batches of one process."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset, Sampler

from tarvitpose.config import ModelConfig
from tarvitpose.data.dataset import ClipDataset, ClipKey, KeySampler, single_threaded
from tarvitpose.data.records import Record
from tarvitpose.data.sources import read_records
from tarvitpose.errors import ConfigError, UserError
from tarvitpose.evaluation.feature_cache import FeatureCache
from tarvitpose.skeleton import JointSet
from tarvitpose.training.config import SourceConfig, TrainConfig
from tarvitpose.training.devices import together
from tarvitpose.training.facts import ANEW, clip_facts
from tarvitpose.training.features import EncodedClips, JoinedClips, encode_clips
from tarvitpose.training.step import Batch, TrainingStep

ReportLine = Callable[[str], None]  # called with one line of progress
SHARED = "remove that folder, or set another data.features"


def read_source(source: SourceConfig, joints: JointSet) -> list[Record]:
    """Return the records of one source, repeated as it asks. Raises DataError."""
    records = read_records(
        source.format,
        source.annotations,
        joints,
        source.images,
        box_scale=source.box_scale,
        set_name=source.set,
    )
    return records * source.repeat


def read_sources(sources: Iterable[SourceConfig], joints: JointSet) -> list[Record]:
    """Return the records of several sources. Raises DataError."""
    return [record for source in sources for record in read_source(source, joints)]


class RankBatches(Sampler[list[ClipKey]]):
    """One rank's part of every batch, endlessly: all ranks together read what one process would."""

    def __init__(
        self, length: int, seed: int, *, start: int = 0, size: int, rank: int = 0, ranks: int = 1
    ) -> None:
        self.keys = KeySampler(length, seed, start, size * ranks)
        self.whole, self.part = size * ranks, slice(rank * size, (rank + 1) * size)

    def __iter__(self) -> Iterator[list[ClipKey]]:
        keys = iter(self.keys)
        while True:
            yield list(islice(keys, self.whole))[self.part]


class Batches:
    """Reads the clips of a run, from any batch on.

    `length` clips make one epoch. Raises DataError where a source cannot be read.
    """

    def __init__(self, config: TrainConfig, model: ModelConfig, fabric: Any) -> None:
        self.config, self.model, self.fabric = config, model, fabric
        self.sources = [read_source(source, model.joints) for source in config.data.train]
        self.dataset: Dataset[Any] = self._clips(self.records, model, config.run.seed)

    @property
    def length(self) -> int:
        """How many clips make one epoch."""
        return len(self.dataset)  # type: ignore[arg-type]

    @property
    def records(self) -> list[Record]:
        """The records of all sources."""
        return [record for records in self.sources for record in records]

    def read(self, start: int, *, everything: bool = False) -> Iterator[Batch]:
        """Yield this rank's part of every batch from the one of number `start` on, endlessly.

        With `everything` it reads what one process alone would read. Raises DataError.
        """
        return iter(self._loader(self.dataset, start, everything=everything))

    def encode(self, step: TrainingStep, report: ReportLine, *, fresh: bool = False) -> None:
        """Read encoded clips from now on; rank 0 encodes those that are missing.

        Raises ConfigError where stored clips depend on other facts; with `fresh` they are removed
        instead, if they are in the run's output folder.
        """
        root = self.config.data.features or self.config.output / "features"
        folders = [root / str(number) for number in range(len(self.sources))]
        with together(self.fabric):
            if self.fabric.is_global_zero:
                for number, folder in enumerate(folders):
                    self._encode(number, folder, step, report, fresh=fresh)
        scores, augment = "decoder" in step.frozen, self.config.data.augment
        self.dataset = JoinedClips(
            [EncodedClips(each, self.model, scores=scores, augment=augment) for each in folders]
        )

    def _encode(
        self, number: int, folder: Path, step: TrainingStep, report: ReportLine, *, fresh: bool
    ) -> None:
        """Encode the clips of a source that are missing in a folder."""
        source, records = self.config.data.train[number], self.sources[number]
        stored = self._stored
        facts = clip_facts(self.config, source, step, offsets=stored.offsets, records=records)
        in_output = self.config.data.features is None
        cache = FeatureCache(folder)
        try:
            cache.require_same(facts, ANEW if in_output else SHARED)
        except ConfigError:
            if not (fresh and in_output):
                raise
            shutil.rmtree(folder)
            cache = FeatureCache(folder)
        if len(cache.names) >= source.cached_clips:
            return
        step.eval()
        seed = self.config.encoded_seed
        loader = self._loader(self._clips(records, stored, seed), 0, everything=True, seed=seed)
        length = source.cached_clips
        with self.fabric.autocast():
            for done in encode_clips(cache, step, loader, length=length, facts=facts):
                if done // 200 > (done - self.config.run.batch_size) // 200:
                    report(f"{source.annotations}: {done} of {length} clips encoded")

    @property
    def _stored(self) -> ModelConfig:
        """The model with the offsets of the encoded windows, which may have more frames."""
        offsets = self.config.data.encoded_offsets
        return self.model if offsets is None else self.model.model_copy(update={"offsets": offsets})

    def _clips(self, records: list[Record], model: ModelConfig, seed: int) -> ClipDataset:
        return ClipDataset(records, model, self.config.data.augment, seed)

    def _loader(
        self, dataset: Dataset[Any], start: int, *, everything: bool, seed: int | None = None
    ) -> Any:
        run = self.config.run
        rank, ranks = self.fabric.global_rank, self.fabric.world_size
        sampler = RankBatches(
            len(dataset),  # type: ignore[arg-type]
            run.seed if seed is None else seed,
            start=start,
            size=run.batch_size,
            rank=0 if everything else rank,
            ranks=1 if everything else ranks,
        )
        loader = DataLoader(
            dataset,
            batch_sampler=sampler,
            num_workers=self.config.data.workers,
            worker_init_fn=single_threaded,
        )
        return self.fabric.setup_dataloaders(loader, use_distributed_sampler=False)


def next_batch(batches: Iterator[Batch]) -> Batch:
    """Return the next batch. Raises an error of a loader's process with its own message."""
    try:
        return next(batches)
    except UserError as error:
        text = str(error)
        if not text.startswith("Caught "):  # how PyTorch hands on a whole traceback
            raise
        raise type(error)(text.splitlines()[-1].partition(": ")[2]) from None
