import { serveFleet } from "./fleet-process.ts";

/** The process of the clients that publish. They are members of their rooms, and receive as well. */
serveFleet();
