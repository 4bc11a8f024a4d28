import { serveFleet } from "./fleet-process.ts";

/** A process of clients that receive. */
serveFleet();
