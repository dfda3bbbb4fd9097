import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { KubeList, KubeObject } from './types.ts';

/** Where the API is and who we are to it: a client certificate or a bearer token. */
export interface KubeAccess {
  /** `https://host:port` */
  server: string;
  /** PEM. */
  ca?: string;
  cert?: string;
  key?: string;
  /** Called for each request. */
  token?: () => string;
}

/**
 * An answer of the API that is not 2xx (`status` as in HTTP, `reason` as in Kubernetes' Status), or none at all (status
 * 0).
 */
export class KubeError extends Error {
  override name = 'KubeError';
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
    this.reason = reason;
  }
}

export interface RequestOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  body?: unknown;
  contentType?: string;
  signal?: AbortSignal;
  /** Milliseconds for the whole answer; default 15 s. */
  timeoutMs?: number;
}

export interface ApplyOptions {
  fieldManager?: string;
  /** Take fields that another manager holds; default true. */
  force?: boolean;
  signal?: AbortSignal;
}

export interface KubeClient {
  /** Sends a request and parses its JSON; `path` begins with `/`. @throws KubeError */
  request<T>(path: string, options?: RequestOptions): Promise<T>;
  /** Opens a response to read as it comes (watches, logs); the caller destroys it. @throws KubeError */
  open(path: string, options?: RequestOptions): Promise<IncomingMessage>;
  get<T extends KubeObject>(path: string): Promise<T>;
  /** All pages of a list. */
  list<T extends KubeObject>(path: string): Promise<KubeList<T>>;
  /** Server-side apply of an object with apiVersion, kind and metadata. */
  apply(object: KubeObject, options?: ApplyOptions): Promise<KubeObject>;
  /** False where it was not there. */
  delete(
    object: Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>,
    options?: { propagation?: 'Background' | 'Foreground' | 'Orphan' },
  ): Promise<boolean>;
  /** The path of an object, by the API's own discovery. */
  pathOf(object: Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>): Promise<string>;
  close(): void;
}

const TIMEOUT_MS = 15_000;
const PAGE = 500;

/** A client of the Kubernetes API over node:https. Makes no connection before the first request. */
export function createKubeClient(access: KubeAccess): KubeClient {
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 16,
    minVersion: 'TLSv1.2',
    ...(access.ca === undefined ? {} : { ca: access.ca }),
    ...(access.cert === undefined ? {} : { cert: access.cert }),
    ...(access.key === undefined ? {} : { key: access.key }),
  });
  const open = (path: string, options: RequestOptions = {}): Promise<IncomingMessage> =>
    openResponse(access, agent, path, options);

  async function request<T>(path: string, options: RequestOptions = {}): Promise<T> {
    const response = await open(path, options);
    try {
      return JSON.parse(await text(response)) as T;
    } catch (error) {
      if (error instanceof KubeError) {
        throw error;
      }
      throw new KubeError(
        0,
        'Unreachable',
        `the answer of the Kubernetes API broke off: ${(error as Error).message}`,
        error,
      );
    }
  }

  const pathOf = createPathFinder(request);

  return {
    request,
    open,
    pathOf,
    get: (path) => request(path),
    async list<T extends KubeObject>(path: string): Promise<KubeList<T>> {
      const items: T[] = [];
      let next = '';
      for (;;) {
        const page = await request<KubeList<T>>(`${path}${path.includes('?') ? '&' : '?'}limit=${PAGE}${next}`);
        items.push(...page.items);
        if (page.metadata.continue === undefined || page.metadata.continue === '') {
          return { metadata: page.metadata, items };
        }
        next = `&continue=${encodeURIComponent(page.metadata.continue)}`;
      }
    },
    async apply(object, options = {}) {
      const path = await pathOf(object);
      const manager = encodeURIComponent(options.fieldManager ?? 'terrarium');
      return request<KubeObject>(`${path}?fieldManager=${manager}&force=${options.force ?? true}`, {
        method: 'PATCH',
        body: object,
        contentType: 'application/apply-patch+yaml',
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
    },
    async delete(object, options = {}) {
      try {
        await request(await pathOf(object), {
          method: 'DELETE',
          body: { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: options.propagation ?? 'Background' },
        });
        return true;
      } catch (error) {
        if (error instanceof KubeError && error.status === 404) {
          return false;
        }
        throw error;
      }
    },
    close: () => agent.destroy(),
  };
}

/** Sends a request. @returns the response where its status is 2xx @throws KubeError */
function openResponse(
  access: KubeAccess,
  agent: Agent,
  path: string,
  options: RequestOptions,
): Promise<IncomingMessage> {
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    const body = options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body));
    let token: string | undefined;
    try {
      token = access.token?.();
    } catch (error) {
      reject(new KubeError(0, 'NoToken', `the token cannot be read: ${(error as Error).message}`, error));
      return;
    }
    const req = httpsRequest(`${access.server}${path}`, {
      agent,
      method: options.method ?? 'GET',
      headers: {
        accept: 'application/json',
        'user-agent': 'terrarium',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined
          ? {}
          : { 'content-type': options.contentType ?? 'application/json', 'content-length': body.length }),
      },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const timer = setTimeout(() => req.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
    req.on('error', (error) => {
      clearTimeout(timer);
      reject(
        new KubeError(
          0,
          'Unreachable',
          `the Kubernetes API at ${access.server} cannot be reached: ` +
            `${error.message || (error as NodeJS.ErrnoException).code || 'unknown'}`,
          error,
        ),
      );
    });
    req.on('response', (response) => {
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 300) {
        // A watch runs longer than this; its reader has its own deadline.
        response.once('end', () => clearTimeout(timer));
        response.once('close', () => clearTimeout(timer));
        resolve(response);
        return;
      }
      text(response).then(
        (content) => {
          clearTimeout(timer);
          reject(failure(status, content, path));
        },
        (error: Error) => {
          clearTimeout(timer);
          reject(new KubeError(status, 'Unknown', error.message, error));
        },
      );
    });
    req.end(body);
  });
}

type Resources = Map<string, { plural: string; namespaced: boolean }>;

/** Finds the paths of objects, by what the API says of its resources; each answer is kept. */
function createPathFinder(request: KubeClient['request']): KubeClient['pathOf'] {
  const resources = new Map<string, Promise<Resources>>();

  function discover(apiVersion: string): Promise<Resources> {
    const known = resources.get(apiVersion);
    if (known !== undefined) {
      return known;
    }
    const found = request<{ resources: { name: string; kind: string; namespaced: boolean }[] }>(
      apiRoot(apiVersion),
    ).then(
      (answer) =>
        new Map(
          answer.resources
            .filter((r) => !r.name.includes('/'))
            .map((r) => [r.kind, { plural: r.name, namespaced: r.namespaced }]),
        ),
    );
    resources.set(apiVersion, found);
    found.catch(() => resources.delete(apiVersion));
    return found;
  }

  return async (object) => {
    const { apiVersion = '', kind = '' } = object;
    let resource = (await discover(apiVersion)).get(kind);
    if (resource === undefined) {
      // A resource definition may have been added since.
      resources.delete(apiVersion);
      resource = (await discover(apiVersion)).get(kind);
    }
    if (resource === undefined) {
      throw new KubeError(404, 'NoKindMatch', `the cluster has no ${kind} in ${apiVersion}`);
    }
    const namespace = resource.namespaced
      ? `/namespaces/${encodeURIComponent(object.metadata.namespace ?? 'default')}`
      : '';
    return `${apiRoot(apiVersion)}${namespace}/${resource.plural}/${encodeURIComponent(object.metadata.name)}`;
  };
}

function apiRoot(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

async function text(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function failure(status: number, content: string, path: string): KubeError {
  try {
    const answer = JSON.parse(content) as { reason?: string; message?: string };
    return new KubeError(
      status,
      answer.reason ?? 'Unknown',
      answer.message ?? `the Kubernetes API answered ${status} to ${path}`,
    );
  } catch {
    return new KubeError(
      status,
      'Unknown',
      `the Kubernetes API answered ${status} to ${path}: ${content.slice(0, 200).trim()}`,
    );
  }
}
