/** Text from tokens that come one at a time. */
export interface TextStream {
  /** Takes a token; returns the text that is certain by now, perhaps none. */
  push(id: number): string;
  /** The rest, when no token follows. */
  end(): string;
}

/** A character of several tokens: at most this many of its bytes are still unknown, each shown as U+FFFD. */
const MAX_UNKNOWN_BYTES = 3;

/**
 * Decodes tokens as they come, so that the pieces together are what all tokens decode to. A byte-level tokenizer may cut a
 * character in several tokens: it is held back until its last byte is there.
 *
 * @param decode the tokenizer's, which turns an incomplete character into U+FFFD
 */
export function textStream(decode: (ids: number[]) => string): TextStream {
  // Some tokenizers treat the first token of a text specially: new tokens are decoded behind ones whose text is known.
  let known: number[] = [];
  let fresh: number[] = [];
  let givenLength = 0;
  const freshText = (): string => decode([...known, ...fresh]).slice(decode(known).length);

  const push = (id: number): string => {
    fresh.push(id);
    const text = freshText();
    const unknown = /\uFFFD*$/.exec(text)![0].length;
    const certain = text.slice(0, text.length - Math.min(unknown, MAX_UNKNOWN_BYTES));
    const piece = certain.slice(givenLength);
    givenLength = Math.max(givenLength, certain.length);
    if (unknown === 0) [known, fresh, givenLength] = [fresh, [], 0];
    return piece;
  };
  const end = (): string => {
    const piece = freshText().slice(givenLength);
    [known, fresh, givenLength] = [[], [], 0];
    return piece;
  };
  return { push, end };
}
