import { once } from 'node:events';
import WebSocket, { type RawData } from 'ws';
import { until } from './local-cloud.ts';

/** Where Node's inspector listens after SIGUSR1: for one process at a time. */
const INSPECTOR = 'http://127.0.0.1:9229/json/list';

/**
 * Makes a Node process collect its garbage, as it would when memory is short: what it holds then is what it needs. How
 * much garbage there is besides is chance.
 * The process's inspector stays open.
 */
export async function collectGarbage(pid: number): Promise<void> {
  process.kill(pid, 'SIGUSR1');
  const url = await until('an inspector', async () => {
    const answer = await fetch(INSPECTOR).catch(() => undefined);
    const [target] = answer === undefined ? [] : ((await answer.json()) as { webSocketDebuggerUrl: string }[]);
    return target?.webSocketDebuggerUrl;
  });
  const ws = new WebSocket(url);
  await once(ws, 'open');
  ws.send(JSON.stringify({ id: 1, method: 'HeapProfiler.collectGarbage' }));
  const [answer] = (await once(ws, 'message')) as [RawData];
  ws.close();
  if (!String(answer).startsWith('{"id":1,"result"')) {
    throw new Error(`the inspector: ${String(answer)}`);
  }
}
