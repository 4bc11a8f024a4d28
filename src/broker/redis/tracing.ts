import { tracingChannel } from "node:diagnostics_channel";

/**
 * Bun's tracing channels do not say whether anybody listens, as those of Node do (`TracingChannel.hasSubscribers`, since 20.13), so the library of
 * Redis describes every command to nobody: a tenth of what a message costs. This adds the property, with Node's meaning. To be called before the first command.
 */
export function completeTracing(): void {
  const channels: unknown = Object.getPrototypeOf(tracingChannel("tautline"));
  if (typeof channels !== "object" || channels === null || "hasSubscribers" in channels) return;
  Object.defineProperty(channels, "hasSubscribers", {
    configurable: true,
    get(this: ReturnType<typeof tracingChannel>): boolean {
      return [this.start, this.end, this.asyncStart, this.asyncEnd, this.error].some((each) => each.hasSubscribers);
    },
  });
}
