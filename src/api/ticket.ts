import * as v from "valibot";
import type { OneTimeTickets } from "../auth/tickets.ts";
import { ProtocolError } from "../protocol/codes.ts";
import { NOTHING, type Route, route } from "./route.ts";

/** `POST /api/ws/ticket`: a token in, and out what opens one connection. */

export type TicketPorts = Pick<OneTimeTickets, "issue">;

const TicketAnswer = v.object({ ticket: v.string(), expires_in: v.number() });

export function ticketRoutes(tickets: TicketPorts): Route[] {
  return [
    route({
      ...{ method: "POST", path: "/api/ws/ticket", access: "user", params: NOTHING, query: v.unknown(), body: null },
      summary: "A one-time ticket for `?ticket=`, by the token of a header or cookie.",
      answers: { 201: { what: "the ticket, and its life in seconds", schema: TicketAnswer } },
      errors: ["OVERLOADED"],
      async handle({ caller }) {
        if (caller.kind !== "user") throw new ProtocolError("AUTH_REQUIRED");
        const { ticket, lifeMs } = await tickets.issue(caller.principal);
        return Response.json({ ticket, expires_in: Math.floor(lifeMs / 1_000) }, { status: 201 });
      },
    }),
  ];
}
