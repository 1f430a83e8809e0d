/**
 * Up to so many numbers, inputs and results together, a kernel of the host is done before XLA has begun to compile. Larger than that,
 * a loop over kernels that are compiled once gains more.
 */
const DEFAULT = 16_384;

/**
 * How small a kernel must be to run on the host, if its inputs are there: `XLA_HOST_ELEMENTS` numbers, 0 for none ever.
 * @throws Error if the variable is no such number
 */
export function hostElements({ XLA_HOST_ELEMENTS: given }: NodeJS.ProcessEnv): number {
  if (given === undefined || given === "") return DEFAULT;
  const count = Number(given);
  if (Number.isSafeInteger(count) && count >= 0) return count;
  throw new Error(`XLA_HOST_ELEMENTS is "${given}": it is a number of elements, 0 or more`);
}
