"""Where a batch keeps its images: the shelf that a run saves to, and the stock that reports, bundles and checks read from."""

from pathlib import Path
from typing import Final, Protocol

from batchgen.core.errors import InputError
from batchgen.core.places import ObjectPlace, is_address
from batchgen.core.ports import Shelf
from batchgen.files.inspector import Inspector
from batchgen.files.objects.bucket import Bucket, bucket_at
from batchgen.files.objects.shelf import ObjectShelf
from batchgen.files.objects.stock import ObjectStock
from batchgen.files.shelf import ImageShelf
from batchgen.files.stock import FolderStock, Stock
from batchgen.planning.naming import Namer
from batchgen.planning.settings import RunSettings
from batchgen.settings import Settings


class PreparedShelf(Shelf, Protocol):
    """A shelf that can be tried out before anything is bought."""

    def prepare(self) -> None:
        """Make the place and write into it once; raise FileError when images could not be kept there."""


class Stocks:
    """The output places of batches, each opened once."""

    def __init__(self, settings: Settings) -> None:
        self._settings: Final = settings
        self._found: Final[dict[str, Stock]] = {}

    def __getitem__(self, output_dir: str) -> Stock:
        """Give the stock of an output place; nothing is read yet."""
        if output_dir not in self._found:
            self._found[output_dir] = _stock_of(output_dir, self._settings)
        return self._found[output_dir]


def shelf_of(run: RunSettings, settings: Settings, inspector: Inspector) -> PreparedShelf:
    """Give the shelf of a batch."""
    place, stem, folder = run.output.dir, Namer(run.output.name, batch=run.name).stem, settings.local_folder(run.output.dir)
    if is_address(place):
        return ObjectShelf(_bucket(place, settings), folder, stem, sidecar=run.output.sidecar, inspector=inspector)
    return ImageShelf(folder, stem, sidecar=run.output.sidecar, inspector=inspector)


def require_reachable(run: RunSettings, settings: Settings) -> None:
    """Raise InputError or StorageRefusedError where the environment does not lead to the batch's output place; nothing is sent."""
    if is_address(run.output.dir):
        _bucket(run.output.dir, settings)


def _stock_of(output_dir: str, settings: Settings) -> Stock:
    return ObjectStock(_bucket(output_dir, settings)) if is_address(output_dir) else FolderStock(Path(output_dir))


def _bucket(address: str, settings: Settings) -> Bucket:
    try:
        return bucket_at(ObjectPlace.parse(address), settings.env)
    except ValueError as error:
        raise InputError(str(error)) from error
