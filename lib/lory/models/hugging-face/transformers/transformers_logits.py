"""Runs exported models in transformers, one for each line of standard input, a JSON object
{"folder": model directory, "tokens": [[...]], "prompt_length": [...] or null, "out": file}.

OUT gets the logits [B, L, V] and, of a Lory model, the routing weights of each layer, as safetensors: `logits`, `routing.0`, ... .
The answer is one line on standard output, in JSON: the class that was loaded, the loss by transformers' own count, the
number of layers that are routed, and versions.
"""

import json
import sys

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

transformers.utils.logging.disable_progress_bar()


def answer(job):
    model = AutoModelForCausalLM.from_pretrained(job["folder"], trust_remote_code=True, torch_dtype=torch.float32).eval()
    tokens = torch.tensor(job["tokens"])
    options = {} if job["prompt_length"] is None else {"prompt_length": torch.tensor(job["prompt_length"])}
    with torch.no_grad():
        output = model(input_ids=tokens, labels=tokens, use_cache=False, **options)
    routing = getattr(model, "routing_weights", [])
    tensors = {"logits": output.logits, **{f"routing.{i}": weights for i, weights in enumerate(routing)}}
    save_file({name: tensor.clone().contiguous() for name, tensor in tensors.items()}, job["out"])
    return {
        "class": type(model).__name__,
        "loss": output.loss.item(),
        "routedLayers": len(routing),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
