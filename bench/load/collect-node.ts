/** `collect.ts` for Node, which must have been started with `--expose-gc`. */
process.on("SIGUSR2", () => {
  globalThis.gc?.();
  globalThis.gc?.();
});
