import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, rmdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { replaceFile } from '../durable.ts';
import { EXIT, Failure, isErrno } from '../errors.ts';

/** How an administrator's machine reaches a cluster; install writes it, as kubeadm writes a kubeconfig. */
const contextSchema = z.object({
  name: z.string().min(1),
  clusterId: z.string().min(1),
  controlPlanes: z.array(z.object({ name: z.string().min(1), address: z.string().min(1) })).min(1),
  ports: z.object({ api: z.int().min(1).max(65535), console: z.int().min(1).max(65535) }),
  /** The cluster's own CA (PEM), by which cloud, agents and satellites are known. */
  ca: z.string().min(1),
  /** `sha256:<hex>` */
  caFingerprint: z.string(),
  /** The console's DNS name, where it has one. */
  consoleName: z.string().optional(),
  /** PEM of what signed the console's certificate, where the customer brought an own one. */
  consoleCa: z.string().optional(),
  /** API token of the cloud. */
  token: z.string().startsWith('trr_'),
  /** The administrator's identity to Kubernetes, all PEM. */
  kubeconfig: z.object({ ca: z.string(), clientCertificate: z.string(), clientKey: z.string() }),
});
export type Context = z.infer<typeof contextSchema>;

const fileSchema = z.object({ current: z.string().optional(), contexts: z.array(contextSchema).default([]) });
type ContextFile = z.infer<typeof fileSchema>;

/** TERRARIUM_CONFIG, else ~/.terrarium/config.yaml. */
export function contextPath(env: NodeJS.ProcessEnv): string {
  return env['TERRARIUM_CONFIG'] ?? join(env['HOME'] ?? homedir(), '.terrarium/config.yaml');
}

function read(path: string): ContextFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return { contexts: [] };
    }
    throw new Failure('bad-context', `${path} cannot be read: ${(error as Error).message}.`, {
      exitCode: EXIT.usage,
      cause: error,
    });
  }
  try {
    return fileSchema.parse(parse(text) ?? {});
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new Failure('bad-context', `${path} is damaged: ${why}.`, {
      remedy: 'Move it away, then run the same `terrarium install` again: it writes the context anew.',
      exitCode: EXIT.usage,
      cause: error,
    });
  }
}

/** Whole or not at all, and never readable by others, not even for a moment. */
function write(path: string, file: ContextFile): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  replaceFile(path, stringify(file, { lineWidth: 0 }), {
    mode: 0o600,
    temporary: `${path}.${randomBytes(4).toString('hex')}`,
  });
}

/**
 * The context named (`--context`, else TERRARIUM_CONTEXT, else the current one).
 * @throws Failure `no-context`, `bad-context`
 */
export function loadContext(env: NodeJS.ProcessEnv, name: string | undefined = env['TERRARIUM_CONTEXT']): Context {
  const path = contextPath(env);
  const file = read(path);
  const wanted = name ?? file.current;
  const found =
    file.contexts.find((c) => c.name === wanted) ??
    (name === undefined && file.contexts.length === 1 ? file.contexts[0] : undefined);
  if (found !== undefined) {
    return found;
  }
  if (file.contexts.length === 0) {
    throw new Failure('no-context', `There is no cluster in ${path}.`, {
      remedy: 'Run `terrarium install`, or copy that file from the machine on which install was run.',
      exitCode: EXIT.usage,
    });
  }
  throw new Failure(
    'no-context',
    wanted === undefined ? `${path} names no current cluster.` : `There is no cluster named ${wanted} in ${path}.`,
    {
      remedy: `Use --context with one of: ${file.contexts.map((c) => c.name).join(', ')}.`,
      exitCode: EXIT.usage,
    },
  );
}

/** As loadContext, but undefined where there is no context at all. */
export function findContext(env: NodeJS.ProcessEnv, name?: string): Context | undefined {
  try {
    return loadContext(env, name);
  } catch (error) {
    if (name === undefined && error instanceof Failure && error.code === 'no-context') {
      return undefined;
    }
    throw error;
  }
}

/**
 * Adds a context, or replaces the one of the same cluster, keeps all others, and makes it the current one.
 * Returns the name under which it is stored: another cluster may already have the wanted one.
 * @throws Failure `bad-context` where the file exists and cannot be understood: nothing is overwritten then
 */
export function saveContext(env: NodeJS.ProcessEnv, context: Context): string {
  const path = contextPath(env);
  const file = read(path);
  const others = file.contexts.filter((c) => c.clusterId !== context.clusterId);
  const known = file.contexts.find((c) => c.clusterId === context.clusterId)?.name;
  const taken = new Set(others.map((c) => c.name));
  let name = known ?? context.name;
  for (let n = 2; taken.has(name); n += 1) {
    name = `${context.name}-${n}`;
  }
  write(path, { current: name, contexts: [...others, contextSchema.parse({ ...context, name })] });
  return name;
}

/**
 * Writes what has changed of a known cluster, without making it the current one. Does nothing where it is no longer
 * known.
 */
export function updateContext(env: NodeJS.ProcessEnv, context: Context): void {
  const path = contextPath(env);
  const file = read(path);
  if (!file.contexts.some((c) => c.clusterId === context.clusterId)) {
    return;
  }
  write(path, {
    ...file,
    contexts: file.contexts.map((c) =>
      c.clusterId === context.clusterId ? contextSchema.parse({ ...context, name: c.name }) : c,
    ),
  });
}

/**
 * Forgets a cluster; with the last one the file goes, and its folder if nothing else is in it. False where it was not
 * there.
 */
export function removeContext(env: NodeJS.ProcessEnv, clusterId: string): boolean {
  const path = contextPath(env);
  if (!existsSync(path)) {
    return false;
  }
  const file = read(path);
  const gone = file.contexts.find((c) => c.clusterId === clusterId);
  if (gone === undefined) {
    return false;
  }
  const contexts = file.contexts.filter((c) => c !== gone);
  if (contexts.length > 0) {
    const current = file.current === gone.name ? contexts[0]?.name : file.current;
    write(path, { ...(current === undefined ? {} : { current }), contexts });
    return true;
  }
  rmSync(path);
  try {
    rmdirSync(dirname(path));
  } catch {
    // Something else of the user's is in it.
  }
  return true;
}
