"""Reads folders of event files as TensorBoard does: a line of JSON in, {"folder": ...}, a line out, {tag: [[step, value], ...]}."""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

for line in sys.stdin:
    events = EventAccumulator(json.loads(line)["folder"], size_guidance={"scalars": 0})
    events.Reload()
    scalars = {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    print(json.dumps(scalars), flush=True)
