export * from "./leak";
export * from "./reads-future";
export * from "./suffix-change";
export * from "./swap";
export * from "./twin";
export type { LeakModel, LeakOptions } from "./window-losses";
