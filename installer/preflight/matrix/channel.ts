import { PassThrough } from 'node:stream';
import { Failure } from '../../../src/errors.ts';
import type { Host } from '../../hosts/host.ts';
import { answerSchema, type ProbeAnswer, type ProbeCommand } from './protocol.ts';

/** A running `terrarium probe` on a host. */
export interface ProbeChannel {
  /** Sends a command and waits for its answer. */
  ask<K extends ProbeAnswer['kind']>(command: ProbeCommand, kind: K): Promise<Extract<ProbeAnswer, { kind: K }>>;
  close(): Promise<void>;
}

const ANSWER_MS = 30_000;

export function openProbe(host: Host, program: string[], signal: AbortSignal | undefined): ProbeChannel {
  const input = new PassThrough();
  let buffered = '';
  let waiting: { resolve: (answer: ProbeAnswer) => void; reject: (error: unknown) => void } | undefined;
  let over: Error | undefined;
  const end = (error: unknown): void => {
    over = error instanceof Error ? error : new Error(String(error));
    waiting?.reject(over);
  };
  const ended = host
    .run([...program, 'probe'], {
      input,
      signal,
      onStdout(chunk) {
        buffered += chunk.toString('utf8');
        for (let end = buffered.indexOf('\n'); end !== -1; end = buffered.indexOf('\n')) {
          const line = buffered.slice(0, end);
          buffered = buffered.slice(end + 1);
          waiting?.resolve(answerSchema.parse(JSON.parse(line)));
        }
      },
    })
    .then((result) =>
      end(
        new Failure('probe', `${host.name}: the network probe ended early: ${result.stderr.trim().slice(0, 300)}`, {
          host: host.name,
          remedy: 'Run the same command again.',
        }),
      ),
    )
    .catch(end);
  return {
    async ask(command, kind) {
      if (over !== undefined) {
        throw over;
      }
      let timer: NodeJS.Timeout | undefined;
      const answer = await new Promise<ProbeAnswer>((resolve, reject) => {
        waiting = { resolve, reject };
        timer = setTimeout(
          () =>
            reject(
              new Failure('probe', `${host.name}: the network probe does not answer.`, {
                host: host.name,
                remedy: 'Run the same command again.',
              }),
            ),
          ANSWER_MS,
        );
        input.write(`${JSON.stringify(command)}\n`);
      }).finally(() => clearTimeout(timer));
      if (answer.kind !== kind) {
        throw new Error(`probe answered ${answer.kind} instead of ${kind}`);
      }
      return answer as Extract<ProbeAnswer, { kind: typeof kind }>;
    },
    async close() {
      waiting = undefined;
      input.end();
      await ended;
    },
  };
}
