/**
 * Loaded into a server whose memory is measured: on SIGUSR2 it collects its garbage and gives the pages back. What is left is
 * what connections hold, and not when the last collection happened to be.
 */
process.on("SIGUSR2", () => {
  Bun.gc(true);
  Bun.gc(true);
});
