import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** A process of a measurement; it gets its settings in its argument and sends its first message when it is ready. */
export interface Peer<Said> {
  child: ChildProcess;
  /** What it said when it was ready. */
  ready: Said;
  /** Sends a message and resolves with the next one from it. */
  ask<Answer>(message: string): Promise<Answer>;
  stop(): Promise<void>;
}

/** @param file a module of this folder */
export async function startPeer<Said>(file: string, settings: object): Promise<Peer<Said>> {
  const child = fork(join(import.meta.dirname, file), [JSON.stringify(settings)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const died = once(child, 'exit').then(([code]) => {
    throw new Error(`${file} ended with ${String(code)}`);
  });
  died.catch(() => undefined);
  const next = async (): Promise<unknown> => ((await Promise.race([once(child, 'message'), died])) as unknown[])[0];
  const ready = (await next()) as Said;
  return {
    child,
    ready,
    async ask<Answer>(message: string) {
      const answer = next();
      child.send(message);
      return (await answer) as Answer;
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) {
        return;
      }
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}
