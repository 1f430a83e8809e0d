"""The training step in JAX as a peer: python jax_step.py FOLDER

FOLDER holds step.json, weights.bin (f32) and batches.bin (int32). Writes a line of JSON when ready, then reads a number of steps a line
and answers each line with the milliseconds and losses of those steps.
"""
import json
import sys
import time

import jax
import jax.numpy as jnp

from jax_model import read_batches, read_parameters, read_spec, training_step

folder = sys.argv[1]
spec = read_spec(folder)
params, batches = read_parameters(folder, spec), read_batches(folder, spec)
state = (params, *({name: jnp.zeros_like(p) for name, p in params.items()} for _ in range(2)), jnp.float32(0))
lowered = training_step(spec).lower(*state, batches[0])
begin = time.perf_counter()
program = lowered.compile()
print(json.dumps({"name": f"jax {jax.__version__}", "compileSeconds": time.perf_counter() - begin}), flush=True)

done = 0
for line in sys.stdin:
    times, losses = [], []
    for _ in range(int(line)):
        begin = time.perf_counter()
        *state, loss = program(*state, jnp.array(batches[done % len(batches)]))
        losses.append(float(loss))
        times.append((time.perf_counter() - begin) * 1e3)
        done += 1
    stats = jax.devices()[0].memory_stats()  # None on a CPU
    peak = stats and stats["peak_bytes_in_use"]
    print(json.dumps({"ms": times, "losses": losses, "peakBytes": peak}), flush=True)
