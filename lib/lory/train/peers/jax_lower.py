"""JAX's program of the training step, from shapes alone: python jax_lower.py FOLDER [FILE]

FOLDER holds step.json. Prints the seconds that tracing and lowering to StableHLO text took and the largest size of the process as a
line of JSON, and writes the text to FILE.
"""
import json
import pathlib
import resource
import sys
import time

import jax
import jax.numpy as jnp

from jax_model import read_spec, training_step

spec = read_spec(sys.argv[1])
parameters = {p["name"]: jax.ShapeDtypeStruct(p["shape"], jnp.float32) for p in spec["parameters"]}
steps = jax.ShapeDtypeStruct((), jnp.float32)
tokens = jax.ShapeDtypeStruct((spec["batchSize"], spec["contextLength"] + 1), jnp.int32)
jax.devices()

begin = time.perf_counter()
text = training_step(spec).lower(parameters, parameters, parameters, steps, tokens).as_text()
seconds = time.perf_counter() - begin
bytes_at_most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"name": f"jax {jax.__version__}", "seconds": seconds, "maxRssBytes": bytes_at_most}))
if len(sys.argv) > 2:
    pathlib.Path(sys.argv[2]).write_text(text)
