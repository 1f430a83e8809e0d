/**
 * Memory in huge pages: with them XLA's CPU programs run 1.3 to 1.5 times as fast. glibc reads the setting when a process starts.
 */
const SETTING = "glibc.malloc.hugetlb=1";

/**
 * The environment for a process that computes.
 * @param {NodeJS.ProcessEnv} env
 * @returns {NodeJS.ProcessEnv}
 */
export function withHugePages(env, platform = process.platform) {
  const tunables = env.GLIBC_TUNABLES ?? "";
  if (platform !== "linux" || tunables.includes("glibc.malloc.hugetlb=")) return { ...env };
  return { ...env, GLIBC_TUNABLES: tunables ? `${tunables}:${SETTING}` : SETTING };
}
