// In JavaScript, since it is of use before anything is compiled.
const os = require("node:os");

/**
 * Memory in huge pages: with them XLA's CPU programs run 1.3 to 1.5 times as fast. glibc reads the setting when a process starts.
 */
const HUGE_PAGES = ["glibc.malloc.hugetlb=1"];

/**
 * Freed memory that stays with the process: a training step takes gigabytes of scratch and frees them, and the system would clear their
 * pages anew for every step, a quarter of the processor's time. One arena for all threads is part of it, since the others give memory
 * back; where many threads compile, they would wait for each other in it.
 */
const KEPT_MEMORY = ["arena_max=1", "mmap_max=0", "trim_threshold=30000000000", "top_pad=67108864"].map(
  (setting) => `glibc.malloc.${setting}`,
);
const FEW_PROCESSORS = 8;

/**
 * The environment for a process that computes.
 * @param {NodeJS.ProcessEnv} env
 * @returns {NodeJS.ProcessEnv}
 */
function withHugePages(env, platform = process.platform, processors = os.availableParallelism()) {
  const tunables = env.GLIBC_TUNABLES ?? "";
  if (platform !== "linux" || tunables.includes("glibc.malloc.hugetlb=")) return { ...env };
  const settings = [...HUGE_PAGES, ...(processors <= FEW_PROCESSORS ? KEPT_MEMORY : [])];
  return { ...env, GLIBC_TUNABLES: [...(tunables ? [tunables] : []), ...settings].join(":") };
}

module.exports = { withHugePages };
