import { lstatSync, unlinkSync } from "node:fs";
import { connect } from "node:net";

/** Whether somebody accepts connections there. */
function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
}

/**
 * Removes the socket file of a process that died without doing it: nobody listens there, yet it blocks the bind. A served socket,
 * a path that cannot be probed and a file of another kind stay, and make the bind fail.
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isSocket() !== true || (await isServed(path))) return;
  unlinkSync(path);
}
