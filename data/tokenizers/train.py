"""Trains a byte-level BPE: train.py PACKAGES TEXTS.jsonl VOCAB_SIZE TOKENIZER.json

PACKAGES is the folder that the pinned requirements were installed into; TEXTS.jsonl holds one JSON string a line.
"""

import json
import sys

sys.path.insert(0, sys.argv[1])

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

END_OF_DOCUMENT = "<|endoftext|>"

# A word with the space before it, one digit, a run of signs with the line ends after it, or white space. Indentation
# stays one piece, so that code does not fall apart into single spaces.
WORDS = Regex(
    r"'(?:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_, _, texts, vocab_size, target = sys.argv

tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [
        pre_tokenizers.Split(WORDS, behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
)
tokenizer.decoder = decoders.ByteLevel()
trainer = trainers.BpeTrainer(
    vocab_size=int(vocab_size),
    special_tokens=[END_OF_DOCUMENT],
    initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    show_progress=False,
)
with open(texts, encoding="utf-8") as lines:
    tokenizer.train_from_iterator((json.loads(line) for line in lines), trainer)
tokenizer.save(target, pretty=False)
