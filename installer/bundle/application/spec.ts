import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { EXIT, Failure } from '../../../src/errors.ts';

const spec = z.strictObject({
  apiVersion: z.literal('terrarium/v1'),
  kind: z.literal('Application'),
  /** Also the folder in the bundle. */
  name: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be lower-case letters, digits and dashes, at most 63'),
  version: z.string().regex(/^[0-9A-Za-z][0-9A-Za-z.+-]*$/),
  /** docker-archive or OCI-layout tars, relative to this file. */
  images: z.array(z.string()).default([]),
  /** Kubernetes YAML, relative to this file. */
  manifests: z.array(z.string()).min(1),
  /** What users connect to, on every node that runs it; install and status print the addresses. */
  ports: z
    .array(
      z.strictObject({
        name: z.string(),
        port: z.int().min(1).max(65535),
        protocol: z.enum(['TCP', 'UDP', 'HTTP', 'HTTPS']).default('TCP'),
      }),
    )
    .default([]),
});

export type ApplicationSpec = z.infer<typeof spec>;

/** `app/NAME/app.json` in a payload. */
export type ApplicationRecord = Pick<ApplicationSpec, 'name' | 'version' | 'ports'>;

/** Reads app.yaml; the paths in the result are absolute. @throws Failure `application-invalid`. */
export function readApplication(file: string): ApplicationSpec {
  let content: unknown;
  try {
    content = parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Failure(
      'application-invalid',
      `${file} cannot be read as YAML: ` +
        `${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}.`,
      { exitCode: EXIT.usage, cause: error },
    );
  }
  const parsed = spec.safeParse(content);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new Failure(
      'application-invalid',
      `${file} is not a valid application: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}.`,
      { remedy: 'See manifests/examples/ for one that is.', exitCode: EXIT.usage },
    );
  }
  const locate = (path: string): string => {
    const absolute = resolve(dirname(file), path);
    if (!existsSync(absolute)) {
      throw new Failure('application-invalid', `${file} names ${path}, which is not there.`, { exitCode: EXIT.usage });
    }
    return absolute;
  };
  return { ...parsed.data, images: parsed.data.images.map(locate), manifests: parsed.data.manifests.map(locate) };
}
