import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import type { Problem } from '../api/problem.ts';
import { COMMAND_HEADER, SEQ_HEADER } from '../cloud/api-paths.ts';
import { EXIT, Failure } from '../errors.ts';
import { ulid } from '../store/ulid.ts';
import { askConsole, reason, textOf, type AskOptions, type Plane } from './ask.ts';
import type { Context } from './context.ts';

/** After this long without an answer the next control plane is asked too. */
const STAGGER_MS = 150;
const READY_MS = 2_000;
/** A change may wait for a quorum (15 s), behind the hash of a password. */
const CHANGE_MS = 25_000;
/** Statuses of an instance in whose place another one may do it. */
const ELSEWHERE = new Set([503, 507]);
/** Of a watch, which says something every 10 s. */
const SILENT_MS = 30_000;

/** A server-sent event. */
export interface ServerEvent {
  event: string;
  /** The last one given. */
  id: string | undefined;
  data: string;
}

/** The cloud's HTTP API through any control plane that answers. */
export interface CloudClient {
  /** @throws Failure `unreachable` (exit 5), or by the cloud's own code */
  get<T>(path: string, signal?: AbortSignal): Promise<T>;
  /** As `get`, with the position of the state that the answer was made from. */
  read<T>(path: string, signal?: AbortSignal): Promise<{ value: T; seq: number }>;
  /**
   * Changes something, once, also where it has to be sent to several control planes. @returns undefined for an answer
   * without content. @throws Failure
   */
  change<T>(
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    signal?: AbortSignal,
  ): Promise<T | undefined>;
  /** Events as they come, until the connection ends, which is no failure. @throws Failure */
  events(path: string, signal?: AbortSignal): AsyncGenerator<ServerEvent, void, undefined>;
  /**
   * POSTs JSON, or GETs where there is none, and gives the answer line by line as it comes; leaving the loop cancels
   * it. @throws Failure
   */
  lines<T>(path: string, body: unknown, signal?: AbortSignal): AsyncGenerator<T, void, undefined>;
}

interface Opener {
  /** Resolves with the answer of a control plane that can give one. @throws Failure as `CloudClient.get` */
  open(path: string, options: AskOptions): Promise<IncomingMessage>;
  /** The control plane that answered last. */
  last(): Plane | undefined;
}

/** Asks the control plane that answered last first. */
function createOpener(context: Context): Opener {
  let last: Plane | undefined;

  async function open(path: string, options: AskOptions): Promise<IncomingMessage> {
    const failed = new Map<Plane, string>();
    const aborted = (): boolean => options.signal?.aborted === true;
    for (;;) {
      const left = context.controlPlanes.filter((p) => !failed.has(p));
      const plane = await firstReady(
        context,
        left.toSorted((a, b) => Number(b === last) - Number(a === last)),
        failed,
        options.signal,
      );
      if (aborted()) {
        throw options.signal?.reason;
      }
      if (plane === undefined) {
        throw unreachable(context, failed);
      }
      try {
        const answer = await askConsole(context, plane, path, options);
        if (ELSEWHERE.has(answer.statusCode ?? 0) && left.length > 1) {
          // It says itself that it cannot answer now, or has no room to write; another one may.
          failed.set(plane, (await problem(answer, plane)).message);
          continue;
        }
        last = plane;
        if ((answer.statusCode ?? 0) >= 400) {
          throw await problem(answer, plane);
        }
        return answer;
      } catch (error) {
        if (aborted()) {
          throw options.signal?.reason;
        }
        if (error instanceof Failure) {
          throw error;
        }
        // It died between two requests. Nothing of an answer has come, and a change carries an id by which it is
        // carried out once.
        failed.set(plane, reason(error));
      }
    }
  }

  return { open, last: () => last };
}

/** Makes no connection before the first request. The control plane that answered last is asked first the next time. */
export function createCloudClient(context: Context): CloudClient {
  const { open, last } = createOpener(context);

  const read = async <T>(path: string, signal?: AbortSignal): Promise<{ value: T; seq: number }> => {
    const answer = await open(path, signal === undefined ? {} : { signal });
    const value = JSON.parse(await textOf(answer)) as T;
    return { value, seq: Number(answer.headers[SEQ_HEADER.toLowerCase()] ?? 0) };
  };

  return {
    read,
    get: async <T>(path: string, signal?: AbortSignal): Promise<T> => (await read<T>(path, signal)).value,
    async change<T>(
      method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
      path: string,
      body?: unknown,
      signal?: AbortSignal,
    ): Promise<T | undefined> {
      const answer = await open(path, {
        method,
        answerMs: CHANGE_MS,
        headers: {
          [COMMAND_HEADER]: ulid(Date.now(), randomBytes(10)),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      });
      const text = await textOf(answer);
      return text === '' ? undefined : (JSON.parse(text) as T);
    },
    async *events(path: string, signal?: AbortSignal): AsyncGenerator<ServerEvent, void, undefined> {
      const answer = await open(path, signal === undefined ? {} : { signal });
      answer.on('error', () => undefined);
      answer.setTimeout(SILENT_MS, () => void answer.destroy());
      yield* serverEvents(answer);
      if (signal?.aborted === true) {
        throw signal.reason;
      }
    },
    async *lines<T>(path: string, body: unknown, signal?: AbortSignal): AsyncGenerator<T, void, undefined> {
      const answer = await open(path, {
        ...(body === undefined
          ? {}
          : { method: 'POST' as const, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
        ...(signal === undefined ? {} : { signal }),
      });
      let broken: Error | undefined;
      answer.on('error', (error) => {
        broken = error;
      });
      try {
        for await (const line of createInterface({ input: answer, crlfDelay: Number.POSITIVE_INFINITY })) {
          if (line !== '') {
            yield JSON.parse(line) as T;
          }
        }
      } finally {
        answer.destroy();
      }
      if (signal?.aborted === true) {
        throw signal.reason;
      }
      if (broken !== undefined || !answer.complete) {
        throw new Failure(
          'broken-off',
          `The answer of ${last()?.name ?? 'the cloud'} broke off: ` +
            `${broken === undefined ? 'the connection ended' : reason(broken)}.`,
          { remedy: 'Run the command again: another control plane will answer.' },
        );
      }
    },
  };
}

/** Reads the events of an answer until it ends; leaving the loop ends the connection. */
async function* serverEvents(answer: IncomingMessage): AsyncGenerator<ServerEvent, void, undefined> {
  let id: string | undefined;
  let event = 'message';
  let data: string[] = [];
  try {
    for await (const line of createInterface({ input: answer, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line === '') {
        if (data.length > 0) {
          yield { event, id, data: data.join('\n') };
        }
        event = 'message';
        data = [];
      } else if (line.startsWith('id: ')) {
        id = line.slice(4);
      } else if (line.startsWith('event: ')) {
        event = line.slice(7);
      } else if (line.startsWith('data: ')) {
        data.push(line.slice(6));
      }
    }
  } finally {
    answer.destroy();
  }
}

/** The first that says it is ready; else one that at least answers, since it can say itself what is wrong. */
function firstReady(
  context: Context,
  planes: Plane[],
  failed: Map<Plane, string>,
  signal?: AbortSignal,
): Promise<Plane | undefined> {
  return new Promise((resolve) => {
    const stop = new AbortController();
    const waiting = [...planes];
    let pending = 0;
    let unready: Plane | undefined;
    let timer: NodeJS.Timeout | undefined;
    let settled = false;
    const settle = (plane: Plane | undefined): void => {
      settled = true;
      clearTimeout(timer);
      resolve(plane);
      stop.abort();
    };
    const next = (): void => {
      if (settled) {
        return;
      }
      clearTimeout(timer);
      const plane = waiting.shift();
      if (plane === undefined) {
        if (pending === 0) {
          settle(unready);
        }
        return;
      }
      pending += 1;
      timer = setTimeout(next, STAGGER_MS);
      askConsole(context, plane, '/readyz', {
        connectMs: READY_MS,
        answerMs: READY_MS,
        signal: signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal]),
      })
        .then(
          (answer) => {
            answer.destroy();
            if (answer.statusCode === 200) {
              settle(plane);
            } else {
              unready ??= plane;
            }
          },
          (error: unknown) => {
            if (!settled) {
              failed.set(plane, reason(error));
            }
          },
        )
        .finally(() => {
          pending -= 1;
          next();
        });
    };
    next();
  });
}

function unreachable(context: Context, failed: Map<Plane, string>): Failure {
  const list = context.controlPlanes.map((p) => `${p.name} (${p.address}): ${failed.get(p) ?? 'no answer'}`).join('; ');
  return new Failure('unreachable', `No console of ${context.name} answers: ${list}.`, {
    remedy:
      'Check that the machines are on and that this machine reaches them; `terrarium status` shows what still works.',
    exitCode: EXIT.unreachable,
  });
}

async function problem(answer: IncomingMessage, plane: Plane): Promise<Failure> {
  const text = await textOf(answer);
  let said: Partial<Problem> = {};
  try {
    said = JSON.parse(text) as Partial<Problem>;
  } catch {
    // Not one of our answers; the status says enough.
  }
  const code =
    said.type?.startsWith('urn:terrarium:problem:') === true
      ? said.type.slice('urn:terrarium:problem:'.length)
      : `http-${answer.statusCode}`;
  if (answer.statusCode === 401) {
    return new Failure(
      code,
      `The cloud on ${plane.name} does not accept this context's ` +
        `token.${said.title === undefined ? '' : ` ${said.title}`}`,
      {
        remedy:
          'Run the same `terrarium install` again on the machine that installed the cluster: it renews the context.',
      },
    );
  }
  const errors = (said.errors ?? []).map((e) => `${e.path}: ${e.message}`).join('; ');
  const message = said.title ?? `The cloud on ${plane.name} answered ${answer.statusCode}.`;
  // What is wrong with a request is so on every control plane; what is wrong with one of them is told by its name.
  const host = (answer.statusCode ?? 0) >= 500 ? plane.name : undefined;
  return new Failure(code, errors === '' ? message : `${message} (${errors})`, { host, remedy: said.detail });
}
