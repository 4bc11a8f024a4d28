import type { Actor } from "../../src/hub/audit-trail.ts";

export const BACKEND: Actor = { by: "key", userId: null, address: "198.51.100.7", userAgent: "backend/1" };
