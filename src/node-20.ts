/** What the sources use of the language and Node 20 lacks. */

class Settleable {
  readonly promise: Promise<unknown>;
  resolve: (value: unknown) => void = () => undefined;
  reject: (reason?: unknown) => void = () => undefined;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/** To be called before anything runs. */
export function addWhatIsMissing(): void {
  define(Promise, "withResolvers", () => new Settleable());
  define(Promise, "try", async (run: (...args: unknown[]) => unknown, ...args: unknown[]) => run(...args));
  define(URL, "parse", (url: string, base?: string) => (URL.canParse(url, base) ? new URL(url, base) : null));
}

function define(target: object, name: string, value: unknown): void {
  if (!(name in target)) Object.defineProperty(target, name, { value, configurable: true, writable: true });
}
