"""Records token ids: fixtures.py PACKAGES FIXTURES.json [NAME TOKENIZER.json]...

The texts are our own and try what tokenizers differ in: spaces, line ends, digits, accents, scripts, emoji, code.
"""

import json
import sys

sys.path.insert(0, sys.argv[1])

from tokenizers import Tokenizer

TEXTS = [
    "",
    "a",
    " ",
    "\n",
    "  leading and trailing  ",
    "The router mixes eight experts into one.",
    "It's what they'll've wanted, isn't it? \"Yes,\" she said -- we're DONE.",
    "1 22 333 4444 55555; 3.14159e-26, 0xFF, 1,000,000",
    "def merge(weights, experts):\n    return sum(w * e for w, e in zip(weights, experts))\n\n\n",
    "export const dModel: number = 64; // width\r\n\tif (x !== y) { return [`${x}`]; }\n",
    "# Heading\n\n* item one\n* item two\n\n| a | b |\n|---|---|\n",
    "naïve café, Straße, Ærøskøbing, Žižek, İstanbul",
    "Ελληνικά, русский, עברית, العربية, हिन्दी, 日本語、한국어",
    "\U0001F999 and \U0001F469\u200d\U0001F52C and \U0001F1E9\U0001F1EA",
    "e\u0301 is not \u00e9; \u2581 is not a space; \u00a0is one",
    "tabs\t\tand\u2003wide\u3000spaces\u200b",
    "almost <|endoftext and <|end|> and < s> and </ s>",
    "x" * 50 + " " * 40 + "\n" * 8 + "=" * 60,
    "From: someone <address>\nSubject: Re: segments\n\n> quoted\n>> twice\n\nAgreed.",
]

_, _, target, *names = sys.argv
fixtures = {"texts": TEXTS, "ids": {}}
for name, file in zip(names[::2], names[1::2]):
    tokenizer = Tokenizer.from_file(file)
    fixtures["ids"][name] = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
with open(target, "w", encoding="utf-8") as out:
    json.dump(fixtures, out, ensure_ascii=True, indent=1)
    out.write("\n")
