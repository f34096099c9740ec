"""`tarvitpose data pack`: a data set as tar files of bounded size, for another machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tarvitpose.cli import console
from tarvitpose.cli.data_options import Dataset, FormatOption, Images, SetName


def run(
    dataset: Dataset,
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="New folder for the shards.")],
    *,
    layout: FormatOption = None,
    images: Images = None,
    set_name: SetName = "train",
    max_mb: Annotated[
        float, typer.Option(min=0.1, metavar="MB", help="Largest size of one shard.")
    ] = 60,
) -> None:
    """Write tar files of bounded size, each with its images and labels.

    Packs stills of any format, and videos in PoseTrack18's format, which 'data prepare' writes.
    """
    from tarvitpose.data.pack import MEGABYTE, pack
    from tarvitpose.data.sources import dataset_files, open_all

    files = list(open_all(dataset_files(dataset, set_name), layout, images))
    limit = round(max_mb * MEGABYTE)
    done = pack(files, output, set_name=set_name, limit=limit)
    counts = [
        console.counted(len(done.shards), "shard"),
        console.counted(done.images, "image"),
        console.counted(done.people, "person", "people"),
    ]
    console.say(f"{output}: {', '.join(counts)}, at most {done.largest / MEGABYTE:.1f} MB each")
    console.say(f"unpack each into one folder: tar -xf {done.shards[0].name} -C FOLDER")
    labels = f"FOLDER/annotations/{set_name}"
    console.say(f"train with format: {files[0].format}, annotations: {labels}, images: FOLDER")
