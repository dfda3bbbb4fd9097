import { parseAllDocuments } from 'yaml';
import { EXIT, Failure } from '../../../src/errors.ts';

/** An image's reference in full, as the container runtime keeps it: `nginx:1.2` is `docker.io/library/nginx:1.2`. */
export function normalize(reference: string): string {
  const first = reference.split('/')[0] ?? '';
  const hasHost = reference.includes('/') && (first.includes('.') || first.includes(':') || first === 'localhost');
  if (hasHost) {
    return reference;
  }
  return reference.includes('/') ? `docker.io/${reference}` : `docker.io/library/${reference}`;
}

/** undefined if the reference names one image for good; else why it does not. */
export function vagueness(reference: string): string | undefined {
  if (/@sha256:[0-9a-f]{64}$/.test(reference)) {
    return undefined;
  }
  const tag = /:([^/:]+)$/.exec(reference)?.[1];
  if (tag === undefined) {
    return 'has no tag';
  }
  return tag === 'latest' ? 'has the tag latest' : undefined;
}

interface Use {
  image: string;
  pullPolicy: unknown;
  /** Kind and name of the object, for messages. */
  where: string;
}

/**
 * Judges an application's manifests: every image is in the bundle, named for good, and never pulled.
 * @param available references in full, or `digest`s.
 * @throws Failure `manifest-invalid`, `image-vague`, `image-pull-always`, `image-missing`.
 */
export function checkManifest(file: string, content: string, available: Set<string>): void {
  for (const use of uses(file, content)) {
    const refuse = (code: string, why: string, remedy: string): Failure =>
      new Failure(code, `${file}: ${use.where} ${why}.`, { remedy, exitCode: EXIT.usage });
    const vague = vagueness(use.image);
    if (vague !== undefined) {
      throw refuse(
        'image-vague',
        `uses the image ${use.image}, which ${vague}`,
        'Name a fixed version: what is installed must be what was bundled.',
      );
    }
    if (use.pullPolicy === 'Always') {
      throw refuse(
        'image-pull-always',
        `has imagePullPolicy: Always for ${use.image}`,
        'Use IfNotPresent: nothing is ever pulled.',
      );
    }
    const digest = /@(sha256:[0-9a-f]{64})$/.exec(use.image)?.[1];
    if (!available.has(normalize(use.image)) && !(digest !== undefined && available.has(digest))) {
      throw refuse(
        'image-missing',
        `uses the image ${use.image}, which the bundle lacks`,
        'Add its archive to `images` in app.yaml.',
      );
    }
  }
}

function uses(file: string, content: string): Use[] {
  const found: Use[] = [];
  for (const document of parseAllDocuments(content)) {
    const [error] = document.errors;
    if (error !== undefined) {
      throw new Failure('manifest-invalid', `${file} is not valid YAML: ${error.message.split('\n')[0]}.`, {
        exitCode: EXIT.usage,
      });
    }
    const object = document.toJS() as unknown;
    if (object === null || object === undefined) {
      continue;
    }
    if (!isObject(object) || typeof object['kind'] !== 'string' || typeof object['apiVersion'] !== 'string') {
      throw new Failure('manifest-invalid', `${file} holds something that is no Kubernetes object.`, {
        exitCode: EXIT.usage,
      });
    }
    const metadata = object['metadata'];
    walk(object, `${object['kind']} ${isObject(metadata) ? String(metadata['name']) : ''}`.trim(), found);
  }
  return found;
}

/** Containers may be anywhere: pods, templates, custom resources that contain them. */
function walk(value: unknown, where: string, found: Use[]): void {
  if (Array.isArray(value)) {
    for (const item of value) {
      walk(item, where, found);
    }
    return;
  }
  if (!isObject(value)) {
    return;
  }
  for (const [key, child] of Object.entries(value)) {
    if (/^(initContainers|containers|ephemeralContainers)$/.test(key) && Array.isArray(child)) {
      for (const container of child) {
        if (isObject(container) && typeof container['image'] === 'string') {
          found.push({ image: container['image'], pullPolicy: container['imagePullPolicy'], where });
        }
      }
    }
    // An image volume (KEP-4639) is pulled like a container's.
    if (key === 'volumes' && Array.isArray(child)) {
      for (const volume of child) {
        const image = isObject(volume) ? volume['image'] : undefined;
        if (isObject(image) && typeof image['reference'] === 'string') {
          found.push({ image: image['reference'], pullPolicy: image['pullPolicy'], where });
        }
      }
    }
    walk(child, where, found);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
