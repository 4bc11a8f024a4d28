/** The names of nodes among each other: `{NODE_ID}/{random}`, one for each life of a process. */

/** No NODE_ID has a slash. */
const LIFE = /^[A-Za-z0-9_.-]{1,64}\/[0-9a-f]{16}$/;

export function newLife(nodeId: string): string {
  return `${nodeId}/${Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString("hex")}`;
}

export function isLife(text: string): boolean {
  return LIFE.test(text);
}

/** The NODE_ID, for people. */
export function nodeIdOf(life: string): string {
  return life.slice(0, life.indexOf("/"));
}
