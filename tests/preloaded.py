"""What every launched process would import again."""

import gc

import gateway.cli.main
import gateway.cli.serving
import gateway.engine.dbos_engine
import gateway.engine.file_liveness
import gateway.registry
import gateway.web.app
import tests.faults.served
import tests.gateway.engine.peer  # noqa: F401

gateway.registry.load(entry_points=False)
gc.collect()
gc.freeze()
