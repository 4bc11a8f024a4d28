/**
 * Loaded into every node of the kit before the node itself. It stalls the event loop when it is told to, and ends the process when the
 * kit is gone, or after the time that the kit has given it.
 */

const endsAfterMs = Number(process.env["CHAOS_ENDS_AFTER_MS"] ?? 0);

process.on("message", (message: unknown) => {
  if (typeof message !== "object" || message === null || !("stallMs" in message)) return;
  const untilMs = performance.now() + Number(message.stallMs);
  while (performance.now() < untilMs);
});
process.on("disconnect", () => process.exit(3));
if (endsAfterMs > 0) setTimeout(() => process.exit(3), endsAfterMs).unref();
