const PROCESS = crypto.randomUUID().slice(0, 8);
let given = 0;

/** The name of an epoch that begins with the command it is sent with; ignored for a topic that has one already. */
export function newLineage(): string {
  given += 1;
  return PROCESS + given.toString(36);
}
