"""Serve the vendor over HTTP: build its parts, and say which path leads to which front."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import time

from starlette.applications import Starlette
from starlette.routing import Route

from batchgen.sim import videos
from batchgen.sim.billing import Ledger
from batchgen.sim.desk import Desk
from batchgen.sim.fronts import jimmyai, openai
from batchgen.sim.fronts.account import AccountFront
from batchgen.sim.fronts.files import FileFront
from batchgen.sim.fronts.images import ImageFront
from batchgen.sim.fronts.tasks import TaskFront
from batchgen.sim.fronts.tools import ToolFront
from batchgen.sim.options import SimOptions
from batchgen.sim.signing import Signer
from batchgen.sim.storage import Storage
from batchgen.sim.uploads import Uploads
from batchgen.sim.vendor import Vendor

_API = "/api/open-api/v1"


def build(options: SimOptions) -> Starlette:
    """Return the application; an existing ledger is replayed before this returns."""
    ledger, plan = Ledger(options.ledger, fsync=options.fsync), options.plan()
    vendor = Vendor(options, ledger, plan, time)
    desk = Desk(options=options, ledger=ledger, plan=plan, vendor=vendor)
    storage = Storage(terms=options, uploads=Uploads(options.upload_ttl_s), signer=Signer(options.seed), task_of=vendor.task, now=time)

    @asynccontextmanager
    async def open_hours(_app: Starlette) -> AsyncIterator[None]:
        yield
        desk.close()

    return Starlette(routes=_routes(desk, storage), lifespan=open_hours)


def _routes(desk: Desk, storage: Storage) -> list[Route]:
    scale = desk.options.price_scale
    tasks, tools = TaskFront(desk=desk, storage=storage), ToolFront(desk=desk, storage=storage)
    images = ImageFront(desk=desk, storage=storage, surface=jimmyai.surface(scale))
    openai_images = ImageFront(desk=desk, storage=storage, surface=openai.surface(scale))
    files, account = FileFront(desk=desk, storage=storage), AccountFront(desk=desk)
    return [
        Route(f"{_API}/images", tasks.create_image, methods=["POST"]),
        Route(f"{_API}/images/generations", images.generate, methods=["POST"]),
        Route(f"{_API}/images/edits", images.edit, methods=["POST"]),
        Route(f"{_API}/images/upscale", tools.upscale, methods=["POST"]),
        Route(f"{_API}/images/remove-bg", tools.remove_background, methods=["POST"]),
        Route(f"{_API}/images/{{task_id}}", tasks.query_image),
        *(Route(f"{_API}/{path}", tasks.create_video, methods=["POST"]) for path in videos.BY_PATH),
        Route(f"{_API}/videos/{{task_id}}", tasks.query_video),
        Route(f"{_API}/files/upload", files.upload, methods=["POST"]),
        Route(f"{_API}/user/balance", account.user_balance),
        Route(f"{_API}/key/balance", account.key_balance),
        Route("/api/openapi/model/catalog", account.catalog),
        Route("/v1/images/generations", openai_images.generate, methods=["POST"]),
        Route("/v1/images/edits", openai_images.edit, methods=["POST"]),
        Route("/files/{name}", files.download),
        Route("/direct/{name}", files.download),
        Route("/_sim/ledger", account.bill),
        Route("/_sim/stats", account.stats),
    ]
