import { once } from 'node:events';
import WebSocket from 'ws';
import type { QueryBody, QueryLine, StreamLine, StreamRequest } from '../../src/api/queries.ts';
import { API_PATHS } from '../../src/cloud/api-paths.ts';
import type { LocalClouds, LocalNode } from './local-cloud.ts';

/** A client of the WebSocket for queries. */
export interface QuerySocket {
  ws: WebSocket;
  /** Runs a query to its end. @throws Error with the problem's JSON */
  ask(query: QueryBody, onLine?: (line: QueryLine) => void): Promise<QueryLine[]>;
  /** @returns milliseconds between cloud and satellite @throws Error with the problem's JSON */
  ping(satellite: string, data: string): Promise<number>;
  say(request: StreamRequest): void;
  close(): Promise<void>;
}

/** Those who wait for lines of an id. */
type Asked = Map<string, { onLine(line: StreamLine): void; lost(error: Error): void }>;

/** Opens the WebSocket; its lines go to those who wait for them. */
async function openSocket(
  clouds: LocalClouds,
  node: LocalNode,
  headers: Record<string, string>,
  asked: Asked,
): Promise<WebSocket> {
  const ws = new WebSocket(`wss://${node.address}:${clouds.ports.console}${API_PATHS.queryStream}`, {
    ca: clouds.files.authority.cert,
    headers,
    perMessageDeflate: false,
  });
  ws.on('message', (data) => {
    const line = JSON.parse(String(data)) as StreamLine;
    asked.get(line.id)?.onLine(line);
  });
  ws.on('close', (code, reason) => {
    for (const { lost } of asked.values()) {
      lost(new Error(`closed: ${code} ${String(reason)}`));
    }
  });
  await once(ws, 'open');
  return ws;
}

/** @throws Error `Unexpected server response: STATUS` where it is refused */
export async function querySocket(
  clouds: LocalClouds,
  node: LocalNode,
  headers: Record<string, string>,
): Promise<QuerySocket> {
  const asked: Asked = new Map();
  const ws = await openSocket(clouds, node, headers, asked);
  let last = 0;
  const say = (request: StreamRequest): void => ws.send(JSON.stringify(request));
  return {
    ws,
    say,
    async ask(query, onLine) {
      const id = String((last += 1));
      const lines: QueryLine[] = [];
      try {
        await new Promise<void>((resolve, reject) => {
          asked.set(id, {
            lost: reject,
            onLine(line) {
              if ('problem' in line) {
                return reject(new Error(JSON.stringify(line.problem)));
              }
              if ('pong' in line) {
                return reject(new Error('not asked for'));
              }
              if (onLine === undefined) {
                lines.push(line);
              } else {
                onLine(line);
              }
              if ('done' in line) {
                resolve();
              }
            },
          });
          say({ id, query });
        });
      } finally {
        asked.delete(id);
      }
      return lines;
    },
    async ping(satellite, data) {
      const id = String((last += 1));
      try {
        return await new Promise<number>((resolve, reject) => {
          asked.set(id, {
            lost: reject,
            onLine(line) {
              if ('pong' in line && line.pong.data === data) {
                resolve(line.pong.ms);
              } else {
                reject(new Error(JSON.stringify('problem' in line ? line.problem : line)));
              }
            },
          });
          say({ id, ping: { satellite, data } });
        });
      } finally {
        asked.delete(id);
      }
    },
    async close() {
      if (ws.readyState === ws.CLOSED) {
        return;
      }
      const closed = once(ws, 'close');
      ws.close();
      await closed;
    },
  };
}
