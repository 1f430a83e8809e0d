"""The training step in PyTorch as a peer, on a GPU if there is one: python torch_step.py FOLDER eager|compile

The same FOLDER and answers as jax_step.py. AdamW is torch's fused one; attention and RMSNorm are torch's own. In bf16 by autocast.
"""
import json
import pathlib
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

folder, mode = pathlib.Path(sys.argv[1]), sys.argv[2]
spec = json.loads((folder / "step.json").read_text())
D, LAYERS, HEADS, E, L, T, B = (spec[k] for k in ("dModel", "numLayers", "numHeads", "numExperts", "contextLength", "segmentLength", "batchSize"))
K = D // HEADS
IS_BF16 = spec["precision"] == "bf16"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cuda":
    torch.set_float32_matmul_precision("high")  # TF32 where autocast leaves f32

flat = np.fromfile(folder / "weights.bin", np.float32)
parameters, start = {}, 0
for p in spec["parameters"]:
    size = int(np.prod(p["shape"]))
    parameters[p["name"]] = torch.nn.Parameter(torch.from_numpy(flat[start : start + size].reshape(p["shape"]).copy()).to(DEVICE))
    start += size
batches = torch.from_numpy(np.fromfile(folder / "batches.bin", np.int32).reshape(-1, B, L + 1)).long().to(DEVICE)

angles = torch.outer(torch.arange(L).float(), 1 / 10000 ** (torch.arange(0, K, 2).float() / K))
COS, SIN = angles.cos().to(DEVICE), angles.sin().to(DEVICE)


def rope(x):
    a, b = x.chunk(2, -1)
    return torch.cat([a * COS - b * SIN, b * COS + a * SIN], -1).to(x.dtype)


def attention(p, x):
    q, k, v = (x @ p["qkv_DQ"]).view(B, L, 3, HEADS, K).permute(2, 0, 3, 1, 4)
    return F.scaled_dot_product_attention(rope(q), rope(k), v, is_causal=True).transpose(1, 2).reshape(B, L, D) @ p["out_DD"]


def dense(p, x):
    gate, up = (x @ p["ffn.gateUp_DG"]).chunk(2, -1)
    return (F.silu(gate) * up) @ p["ffn.down_FD"]


def lory(p, x):
    n = L // T
    segments = x.view(B * n, T, D)
    with torch.autocast(DEVICE, enabled=False):
        e = torch.softmax(segments.float().mean(1) @ p["ffn.router_DE"], -1).view(B, n, E)
    e = torch.cat([e[:, :1].detach(), e[:, :-1]], 1).reshape(B * n, E)
    gate_up = (e @ p["ffn.gateUp_EDG"].view(E, -1)).view(B * n, D, -1)
    down = (e @ p["ffn.down_EFD"].view(E, -1)).view(B * n, -1, D)
    gate, up = torch.bmm(segments, gate_up).chunk(2, -1)
    return torch.bmm(F.silu(gate) * up, down).view(B, L, D)


layers = [
    {name.removeprefix(f"layers.{i}."): p for name, p in parameters.items() if name.startswith(f"layers.{i}.")}
    for i in range(LAYERS)
]


def loss_of(tokens):
    h = F.embedding(tokens[:, :-1], parameters["embed_VD"])
    for p in layers:
        h = h + attention(p, F.rms_norm(h, (D,), p["attnNorm_D"], 1e-5))
        h = h + (lory if E else dense)(p, F.rms_norm(h, (D,), p["ffnNorm_D"], 1e-5))
    logits = F.rms_norm(h, (D,), parameters["norm_D"], 1e-5) @ parameters["head_DV"]
    return F.cross_entropy(logits.float().view(B * L, -1), tokens[:, 1:].reshape(-1))


groups = [
    {"params": [p for p in parameters.values() if p.ndim > 1], "weight_decay": 0.1},
    {"params": [p for p in parameters.values() if p.ndim == 1], "weight_decay": 0.0},
]
optimizer = torch.optim.AdamW(groups, lr=spec["learningRate"], betas=(0.9, 0.95), eps=1e-8, fused=True)
forward = torch.compile(loss_of) if mode == "compile" else loss_of


def step(tokens):
    with torch.autocast(DEVICE, torch.bfloat16, enabled=IS_BF16):
        loss = forward(tokens)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


print(json.dumps({"name": f"torch {torch.__version__} {mode}"}), flush=True)
done = 0
for line in sys.stdin:
    times, losses = [], []
    for _ in range(int(line)):
        begin = time.perf_counter()
        losses.append(step(batches[done % len(batches)]))
        times.append((time.perf_counter() - begin) * 1e3)
        done += 1
    peak = torch.cuda.max_memory_allocated() if DEVICE == "cuda" else None
    print(json.dumps({"ms": times, "losses": losses, "peakBytes": peak}), flush=True)
