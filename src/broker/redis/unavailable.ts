import { ProtocolError } from "../../protocol/codes.ts";
import { isRefusal } from "./connection.ts";

/** What Redis would not do is as good as not done; its own words stay here, for they may repeat what was sent. */
export function unavailable(error: unknown): ProtocolError {
  return error instanceof ProtocolError ? error : new ProtocolError("UNAVAILABLE");
}

/** The first word of a refusal, such as `OOM`, for the log; null when there was no answer at all. */
export function refusedAs(error: unknown): string | null {
  if (!isRefusal(error)) return null;
  return /^[A-Z]+/.exec(error.message)?.[0] ?? "refused";
}
