import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import WebSocket, { WebSocketServer, type RawData } from 'ws';

/**
 * A plain WebSocket server over TLS. Without `upstream` it answers each message with itself; with one it passes
 * messages on and the answers back, and its clock runs while it waits: the seed's clock, which ends before the answer
 * is written.
 */
const { cert, key, ca, upstream } = JSON.parse(process.argv[2] ?? '') as {
  cert: string;
  key: string;
  ca: string;
  upstream?: number;
};
const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) });
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
const clock: number[] = [];

function relay(to: WebSocket): (from: WebSocket) => void {
  const waiting = new Map<string, { from: WebSocket; began: number }>();
  to.on('message', (data: RawData) => {
    const text = String(data);
    const asked = waiting.get(text);
    if (asked === undefined) {
      return;
    }
    clock.push(performance.now() - asked.began);
    waiting.delete(text);
    asked.from.send(text);
  });
  return (from) =>
    from.on('message', (data: RawData) => {
      const text = String(data);
      waiting.set(text, { from, began: performance.now() });
      to.send(text);
    });
}

if (upstream === undefined) {
  sockets.on('connection', (socket) => socket.on('message', (data: RawData) => socket.send(String(data))));
} else {
  const to = new WebSocket(`wss://127.0.0.1:${upstream}`, { ca: readFileSync(ca), perMessageDeflate: false });
  await new Promise((resolve, reject) => to.once('open', resolve).once('error', reject));
  sockets.on('connection', relay(to));
}
process.on('message', () => process.send?.(clock.splice(0)));
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
