import { fileURLToPath } from "node:url";
import { PrintingProcess } from "./printing-process.ts";

/** One of `examples/` in a process of its own. */
export class ExampleProcess extends PrintingProcess {
  constructor(name: string, env: Record<string, string> = {}) {
    const path = fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
    super([process.execPath, path], { env: { PORT: "0", ...env } });
  }

  /** What stands behind the first line that begins like this. */
  async after(start: string): Promise<string> {
    return (await this.line(start)).slice(start.length);
  }

  async port(): Promise<number> {
    return Number(new URL(await this.after("listens on ")).port);
  }
}
