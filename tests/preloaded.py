"""What every launched process would import or look for again. No thread may run here: a fork has one only."""

import gc
import threading

import uvicorn
from starlette.applications import Starlette

import tests.crash.life
import tests.faults.served
import tests.gateway.engine.peer  # noqa: F401

_config = uvicorn.Config(Starlette(), log_config=None, lifespan="on")
_config.load()
_config.get_loop_factory()
if threading.active_count() > 1:
    raise SystemExit(f"threads before the first fork: {threading.enumerate()}")
gc.collect()
gc.freeze()
