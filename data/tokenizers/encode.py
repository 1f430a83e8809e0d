"""Tokenizes texts and times it: encode.py PACKAGES TEXTS.jsonl TOKENIZER.json IDS.bin

TEXTS.jsonl holds one JSON string a line. Writes all ids as little-endian uint32 and prints megabytes of UTF-8 a second, from the end of
the first batch on, as the other side is timed.
"""

import array
import json
import sys
import time

if sys.argv[1]:
    sys.path.insert(0, sys.argv[1])

from tokenizers import Tokenizer

TEXTS_AT_ONCE = 1024

_, _, texts, tokenizer_file, target = sys.argv
with open(tokenizer_file, encoding="utf-8") as file:
    description = json.load(file)
# What someone wrote is never a special token, as in Lory.
description["added_tokens"] = [token for token in description["added_tokens"] if not token["special"]]
description["post_processor"] = None
tokenizer = Tokenizer.from_str(json.dumps(description))
with open(texts, encoding="utf-8") as file:
    lines = [json.loads(line) for line in file]

ids = array.array("I")
start, timed = None, 0
for first in range(0, len(lines), TEXTS_AT_ONCE):
    some = lines[first : first + TEXTS_AT_ONCE]
    for encoding in tokenizer.encode_batch(some, add_special_tokens=False):
        ids.extend(encoding.ids)
    if start is None:
        start = time.perf_counter()
    else:
        timed += sum(len(text.encode("utf-8")) for text in some)
elapsed = time.perf_counter() - start
with open(target, "wb") as out:
    ids.tofile(out)
print(timed / 1e6 / elapsed if timed else 0)
