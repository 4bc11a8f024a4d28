import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, posix, relative } from "node:path";
import { type Command, type Instruction, parseDockerfile, type Stage } from "./dockerfile.ts";
import { parseDockerignore } from "./dockerignore.ts";

/**
 * What a Dockerfile makes, built by its own steps in a directory of its own instead of by an engine. The base images are empty there;
 * `bun` is the one that runs the tests, which has the version of their tags.
 */
export interface Image {
  /** Its `/`. */
  readonly root: string;
  readonly base: string;
  readonly workdir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly user: string | null;
  readonly ports: readonly string[];
  readonly stopSignal: string | null;
  readonly healthcheck: Command | null;
  readonly entrypoint: Command | null;
  readonly command: Command | null;
  remove(): void;
}

type Settings = { -readonly [K in keyof Omit<Image, "remove">]: Image[K] };

/** Builds the Dockerfile of a folder; the last stage is the image. */
export async function buildImage(context: string): Promise<Image> {
  const stages = parseDockerfile(readFileSync(join(context, "Dockerfile"), "utf8"));
  const isIgnored = parseDockerignore(readFileSync(join(context, ".dockerignore"), "utf8"));
  const folder = mkdtempSync(join(tmpdir(), "tautline-image-"));
  const remove = (): void => {
    setWriteBits(folder, 0o200);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    return { ...(await build(stages, folder, { context, isIgnored, built: new Map() })), remove };
  } catch (error) {
    remove();
    throw error;
  }
}

async function build(stages: readonly Stage[], folder: string, scene: Build): Promise<Settings> {
  let image: Settings | undefined;
  for (const [index, stage] of stages.entries()) {
    image = begin(stage, join(folder, String(index)));
    for (const instruction of stage.instructions) await apply(instruction, image, scene);
    if (stage.name !== null) scene.built.set(stage.name, image);
  }
  if (image === undefined) throw new Error("the Dockerfile has no stage");
  return image;
}

function begin({ base }: Stage, root: string): Settings {
  mkdirSync(root);
  const nothing = { user: null, stopSignal: null, healthcheck: null, entrypoint: null, command: null };
  return { root, base, workdir: "/", env: {}, ports: [], ...nothing };
}

interface Build {
  readonly context: string;
  readonly isIgnored: (path: string) => boolean;
  readonly built: Map<string, Settings>;
}

async function apply(step: Instruction, image: Settings, scene: Build): Promise<void> {
  switch (step.name) {
    case "WORKDIR":
      image.workdir = step.path;
      mkdirSync(join(image.root, step.path), { recursive: true });
      return;
    case "COPY":
      for (const source of step.sources) copy(source, step, image, scene);
      return;
    case "RUN":
      return run(step.command, image);
    case "ENV":
      image.env = { ...image.env, ...step.values };
      return;
    case "USER":
      image.user = step.user;
      return;
    case "EXPOSE":
      image.ports = [...image.ports, step.port];
      return;
    case "STOPSIGNAL":
      image.stopSignal = step.signal;
      return;
    case "HEALTHCHECK":
      image.healthcheck = step.command;
      return;
    case "ENTRYPOINT":
      image.entrypoint = step.command;
      return;
    case "CMD":
      image.command = step.command;
  }
}

/** A folder gives its content, a file itself; `--from` reads the root of another stage, and is not filtered. */
function copy(source: string, step: Instruction & { name: "COPY" }, image: Settings, scene: Build): void {
  const other = step.from === null ? null : scene.built.get(step.from);
  if (other === undefined) throw new Error(`there is no stage ${step.from}`);
  const top = other === null ? scene.context : other.root;
  const from = join(top, source);
  const isKept = (path: string): boolean => other !== null || path === top || !scene.isIgnored(relative(top, path));
  if (!existsSync(from) || !isKept(from)) throw new Error(`COPY ${source}: a builder does not see it`);
  const target = join(image.root, posix.resolve(image.workdir, step.target));
  const isInto = !lstatSync(from).isDirectory() && step.target.endsWith("/");
  const to = isInto ? join(target, basename(from)) : target;
  cpSync(from, to, { recursive: true, filter: isKept, verbatimSymlinks: true });
}

/** As the builder does: in the working directory, with the image's settings above the builder's own. */
async function run(command: Command, image: Settings): Promise<void> {
  const argv = command.form === "exec" ? [...command.argv] : ["/bin/sh", "-c", command.text];
  if (argv.some((word, index) => /(?:^|\s)\//.test(word) && index > 0)) {
    throw new Error(`RUN ${argv.join(" ")}: an absolute path would lead out of the image`);
  }
  const { NODE_ENV: _, ...builder } = process.env;
  const child = Bun.spawn(argv, {
    cwd: join(image.root, image.workdir),
    env: { ...builder, PATH: `${join(process.execPath, "..")}:${builder["PATH"]}`, ...image.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`RUN ${argv.join(" ")} failed: ${said}`);
}

/** Every file of the image, from its root. */
export function filesOf(image: Image): string[] {
  return readdirSync(image.root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => `/${relative(image.root, join(entry.parentPath, entry.name))}`);
}

/** Nothing of it can be written by anybody but root: for where no read-only mount is possible. */
export function removeWriteBits(image: Image): void {
  setWriteBits(image.root, 0);
}

function setWriteBits(top: string, bits: number): void {
  const below = readdirSync(top, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isSymbolicLink());
  for (const path of [top, ...below.map((entry) => join(entry.parentPath, entry.name))]) {
    chmodSync(path, (lstatSync(path).mode & 0o555) | bits);
  }
}
