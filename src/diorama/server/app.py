"""The FastAPI app: routes, errors, limits, the page."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Depends, FastAPI

from diorama import __version__
from diorama.errors import DioramaError
from diorama.jobs import cluster
from diorama.jobs.database import chosen_database
from diorama.jobs.files import DataFolder, data_folder, shared_store
from diorama.jobs.housekeeping import Housekeeper
from diorama.jobs.quotas import Quotas
from diorama.jobs.runner import Runner
from diorama.jobs.store import Store
from diorama.server import (
    advice,
    corrections,
    examples,
    heads,
    health,
    observing,
    openapi,
    pages,
    phone,
    problems,
    products,
    routes,
    security,
    segments,
)
from diorama.server.context import MAX_QUEUED, Context, own_job
from diorama.server.fetching import Fetcher
from diorama.server.lan import Lan
from diorama.server.users import Users, from_environment, hosts_from_environment

log = logging.getLogger(__name__)

DESCRIPTION = """One photo in, a layered, textured 3D scene out.

Upload a photo, follow the job, look at the result, validate it. Errors are `application/problem+json` (RFC 9457)
with a `code` for programs and a `hint` for people. Beside what a route lists, any request may be refused with 400
(`host-not-allowed`), 401 (`no-token`), 408 (it stood still for a minute) or 413 (its body is over 16 MB and no photo)
or, where the server itself fails, answered with 500 (`diorama`).
"""


def create_app(
    data: Path | None = None,
    *,
    hosts: Iterable[str] = (),
    slots: int | None = None,
    fetch: bool = True,
    max_queued: int = MAX_QUEUED,
    lan: Lan | None = None,
    users: Users | None = None,
) -> FastAPI:
    """Make the app.

    Args:
        data: the folder of the jobs; `DIORAMA_DATA` or the platform's folder where None.
        hosts: names that it answers to, besides 127.0.0.1, localhost and [::1].
        slots: how many jobs are worked on at once; half the cores where None.
        fetch: whether better weights are fetched in the background (never when offline).
        max_queued: how many jobs may wait; more are refused with 429.
        lan: how others in the network reach it; they and everyone else need its token then.
        users: who is let in; those of the environment where None, and everybody where it names nobody.

    Raises:
        StorageError: the data folder can't be used.
        ServerError: the environment's users can't be.
        InstallationError, ClusterError: the Dask cluster that ``DIORAMA_DASK`` names can't be.
    """
    admitted = from_environment() if users is None else users
    if lan is not None:
        admitted = admitted.with_sole(lan.token)
    folder = DataFolder((data or data_folder()).expanduser().absolute(), shared_store())
    folder.create()
    store = Store(chosen_database() or folder.database)
    store.create_tables()
    dask = cluster.address()
    runner = Runner(store, folder, slots=slots, cluster=cluster.Cluster(dask) if dask else None)
    quotas = Quotas.from_environment()
    context = Context(store, folder, runner, Fetcher(enabled=fetch), max_queued, lan=lan, users=admitted, quotas=quotas)
    app = FastAPI(
        title="Diorama",
        summary="From a photo to a 3D scene",
        description=DESCRIPTION,
        version=__version__,
        license_info={"name": "MIT", "identifier": "MIT"},
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        # The functions' names: what a generated client calls its methods.
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.context = context
    app.state.housekeeper = Housekeeper(store, runner.products, folder, quotas)
    problems.install(app)
    openapi.install(app)
    # Of whatever job a route is about: nobody reaches another's.
    own = [Depends(own_job)]
    for router in (routes.api, examples.api, segments.api, advice.api, corrections.api, products.api, phone.api):
        app.include_router(router, dependencies=own)
    app.include_router(health.router)
    pages.install(app)
    app.add_middleware(heads.Heads)
    app.add_middleware(security.Guard, hosts=(*hosts, *hosts_from_environment()), users=admitted, probes=lan is None)
    app.add_middleware(observing.Observed, figures=context.figures)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.context
    housekeeper: Housekeeper = app.state.housekeeper

    def begin() -> None:
        try:
            context.runner.start()
        except DioramaError:
            log.exception("no jobs are worked on")
        context.fetcher.start()
        housekeeper.start()

    # In a thread, so that the socket listens and the first page goes out while the worker starts.
    begun = asyncio.get_running_loop().run_in_executor(None, begin)
    try:
        yield
    finally:
        context.closing = True
        await begun
        housekeeper.stop()
        await asyncio.to_thread(context.runner.stop)
        context.store.close()
