export * from "./config";
export * from "./count";
export * from "./init";
export * from "./params";
export * from "./presets";
export * from "./prompt-merge";
export * from "./refuse-unknown";
export * from "./transformer";
