import { Ajv2020 } from "ajv/dist/2020.js";

/** Answers of the HTTP API, held against the OpenAPI document that the same API serves. */

interface Operation {
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

const KNOWN = new Map<string, Answers>();

export class Answers {
  readonly #document: Document;
  readonly #ajv = new Ajv2020({ strict: false });

  private constructor(text: string) {
    this.#document = JSON.parse(text);
    this.#ajv.addSchema(this.#document, "openapi");
  }

  /** Schemas are compiled when they are first needed, and once for all tests that have the same document. */
  static of(text: string): Answers {
    const answers = KNOWN.get(text) ?? new Answers(text);
    KNOWN.set(text, answers);
    return answers;
  }

  /** `GET /health` and so on. */
  get operations(): string[] {
    return Object.entries(this.#document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
  }

  /** Rejects when a route answers what its documentation does not have. Requests that reach no route are not its business. */
  async check(method: string, pathname: string, response: Response): Promise<void> {
    const name = method === "HEAD" ? "get" : method.toLowerCase();
    const path = this.#pathOf(pathname);
    const operation = path === undefined ? undefined : this.#document.paths[path]?.[name];
    if (path === undefined || operation === undefined) return;
    const what = `${name.toUpperCase()} ${path} answered ${response.status}`;
    const documented = operation.responses[String(response.status)];
    if (documented === undefined) throw new Error(`${what}, which is not documented`);
    const [media] = (response.headers.get("content-type") ?? "").split(";");
    if (response.status === 204 || method === "HEAD") return;
    if (documented.content?.[media ?? ""] === undefined)
      throw new Error(`${what} as ${media}, which is not documented`);
    if (media !== "application/json") return;
    const steps = ["paths", path, name, "responses", String(response.status), "content", media, "schema"];
    const $ref = `openapi#/${steps.map((step) => encodeURIComponent(step.replaceAll("~", "~0").replaceAll("/", "~1"))).join("/")}`;
    const validate = this.#ajv.getSchema($ref);
    if (validate?.(await response.clone().json()) !== true) {
      throw new Error(`${what} with another body than documented: ${this.#ajv.errorsText(validate?.errors)}`);
    }
  }

  /** The template of a path; one without parameters goes before. */
  #pathOf(pathname: string): string | undefined {
    if (pathname in this.#document.paths) return pathname;
    const given = pathname.split("/");
    return Object.keys(this.#document.paths).find((path) => {
      const wanted = path.split("/");
      return wanted.length === given.length && wanted.every((part, at) => part.startsWith("{") || part === given[at]);
    });
  }
}
