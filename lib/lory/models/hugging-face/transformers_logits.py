"""Runs an exported model in transformers: `python transformers_logits.py FOLDER JOB.json OUT.json`.

JOB.json holds {"tokens": [[...]], "prompt_length": [...] or null}; OUT.json gets the class that was loaded, the logits,
the loss by transformers' own count, the routing weights of a Lory model, and versions.
"""

import json
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM

folder, job_file, out_file = sys.argv[1:]
with open(job_file) as file:
    job = json.load(file)
model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True, torch_dtype=torch.float32).eval()
tokens = torch.tensor(job["tokens"])
options = {} if job["prompt_length"] is None else {"prompt_length": torch.tensor(job["prompt_length"])}
with torch.no_grad():
    output = model(input_ids=tokens, labels=tokens, use_cache=False, **options)
routing = getattr(model, "routing_weights", [])
with open(out_file, "w") as file:
    json.dump(
        {
            "class": type(model).__name__,
            "logits": output.logits.tolist(),
            "loss": output.loss.item(),
            "routing": [weights.tolist() for weights in routing],
            "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        },
        file,
    )
