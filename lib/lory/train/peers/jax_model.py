"""The decoder of the library and its whole training step in JAX, AdamW: what JAX's users would write.

In f32, or with bf16 for all between the f32 parameters and the f32 norms, softmax, loss and optimizer; then attention is cuDNN's.
"""
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np


def read_spec(folder):
    """Sizes, and names and shapes of the parameters in the library's order."""
    return json.loads((pathlib.Path(folder) / "step.json").read_text())


def read_parameters(folder, spec):
    flat = np.fromfile(pathlib.Path(folder) / "weights.bin", np.float32)
    ends = np.cumsum([int(np.prod(p["shape"])) for p in spec["parameters"]])
    parts = np.split(flat, ends)
    return {p["name"]: jnp.array(part.reshape(p["shape"])) for p, part in zip(spec["parameters"], parts)}


def read_batches(folder, spec):
    return np.fromfile(pathlib.Path(folder) / "batches.bin", np.int32).reshape(-1, spec["batchSize"], spec["contextLength"] + 1)


def training_step(spec):
    """A function of (parameters, m, v, steps done, tokens) that returns the first four updated, and the loss."""
    D, LAYERS, HEADS, E = (spec[k] for k in ("dModel", "numLayers", "numHeads", "numExperts"))
    L, T, B = spec["contextLength"], spec["segmentLength"], spec["batchSize"]
    K = D // HEADS
    is_bf16 = spec["precision"] == "bf16"
    compute = jnp.bfloat16 if is_bf16 else jnp.float32

    angles = np.outer(np.arange(L), 1 / 10000 ** (np.arange(0, K, 2) / K)).astype(np.float32)
    COS, SIN = np.cos(angles)[None, :, None], np.sin(angles)[None, :, None]

    def norm(x, weight):
        x = x.astype(jnp.float32)
        return (x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * weight).astype(compute)

    def rope(x):
        a, b = jnp.split(x.astype(jnp.float32), 2, -1)
        return jnp.concatenate([a * COS - b * SIN, b * COS + a * SIN], -1).astype(compute)

    def linear(x, weight):
        return x @ weight.astype(compute)

    def attention(p, x):
        q, k, v = (t.reshape(B, L, HEADS, K) for t in jnp.split(linear(x, p["qkv_DQ"]), 3, -1))
        kernel = "cudnn" if is_bf16 else None
        mixed = jax.nn.dot_product_attention(rope(q), rope(k), v, is_causal=True, implementation=kernel)
        return linear(mixed.reshape(B, L, D), p["out_DD"])

    def dense(p, x):
        gate, up = jnp.split(linear(x, p["ffn.gateUp_DG"]), 2, -1)
        return linear(jax.nn.silu(gate) * up, p["ffn.down_FD"])

    def lory(p, x):
        n = L // T
        segments = x.reshape(B * n, T, D)
        e = jax.nn.softmax(segments.astype(jnp.float32).mean(1) @ p["ffn.router_DE"], -1).reshape(B, n, E)
        e = jnp.concatenate([jax.lax.stop_gradient(e[:, :1]), e[:, :-1]], 1).reshape(B * n, E).astype(compute)
        gate_up = jnp.einsum("ne,edf->ndf", e, p["ffn.gateUp_EDG"].astype(compute))
        down = jnp.einsum("ne,efd->nfd", e, p["ffn.down_EFD"].astype(compute))
        gate, up = jnp.split(jnp.einsum("ntd,ndf->ntf", segments, gate_up), 2, -1)
        return jnp.einsum("ntf,nfd->ntd", jax.nn.silu(gate) * up, down).reshape(B, L, D)

    def loss_of(params, tokens):
        x, y = tokens[:, :-1], tokens[:, 1:]
        h = params["embed_VD"][x].astype(compute)
        for i in range(LAYERS):
            p = {name.removeprefix(f"layers.{i}."): v for name, v in params.items() if name.startswith(f"layers.{i}.")}
            h = h + attention(p, norm(h, p["attnNorm_D"]))
            h = h + (lory if E else dense)(p, norm(h, p["ffnNorm_D"]))
        logits = linear(norm(h, params["norm_D"]), params["head_DV"]).astype(jnp.float32)
        return (jax.nn.logsumexp(logits, -1) - jnp.take_along_axis(logits, y[..., None], -1)[..., 0]).mean()

    def step(params, m, v, t, tokens):
        loss, grads = jax.value_and_grad(loss_of)(params, tokens)
        gradient_norm = jnp.sqrt(sum((g * g).sum() for g in grads.values()))
        scale = jnp.minimum(1.0 / gradient_norm, 1.0)
        t = t + 1
        new_p, new_m, new_v = {}, {}, {}
        for name, p in params.items():
            g = grads[name] * scale
            new_m[name] = 0.9 * m[name] + 0.1 * g
            new_v[name] = 0.95 * v[name] + 0.05 * g * g
            update = new_m[name] / (1 - 0.9**t) / (jnp.sqrt(new_v[name] / (1 - 0.95**t)) + 1e-8)
            new_p[name] = p - spec["learningRate"] * (update + 0.1 * p if p.ndim > 1 else update)
        return new_p, new_m, new_v, t, loss

    return jax.jit(step, donate_argnums=(0, 1, 2, 3))
