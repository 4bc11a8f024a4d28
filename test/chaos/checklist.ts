import type { Check } from "./check.ts";
import { barred } from "./checks/barred.ts";
import { divergence } from "./checks/divergence.ts";
import { duplicated } from "./checks/duplicated.ts";
import { empty } from "./checks/empty.ts";
import { lost } from "./checks/lost.ts";
import { order } from "./checks/order.ts";
import { phantom } from "./checks/phantom.ts";
import { presence } from "./checks/presence.ts";
import { recovery } from "./checks/recovery.ts";
import { retries } from "./checks/retries.ts";
import { reuse } from "./checks/reuse.ts";

/** The promises, in the order in which findings are told. */
export const CHECKS: readonly Check[] = [
  empty,
  lost,
  recovery,
  duplicated,
  order,
  phantom,
  divergence,
  reuse,
  retries,
  presence,
  barred,
];
