import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { checksumErrors } from './checksums.ts';
import { measure, tryBulk, tryPort } from './connect.ts';
import { listen, type Listeners } from './listeners.ts';
import { serveNative, tryNative, type NativeServer } from './native.ts';
import { commandSchema, type Peer, type ProbeAnswer, type ProbeCommand, type ProbedPair } from './protocol.ts';

/** A probe that nobody talks to any more must not hold the ports. */
const IDLE_MS = 60_000;

/** The host's side of the matrix: obeys the lines on `input` until `finish` or its end. */
export async function probeSession(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Promise<void> {
  const say = (answer: ProbeAnswer): void => void output.write(`${JSON.stringify(answer)}\n`);
  let listeners: Listeners | undefined;
  let native: NativeServer | undefined;
  let errorsBefore: number | null = null;
  let asked: Extract<ProbeCommand, { kind: 'listen' }> | undefined;
  const lines = createInterface({ input });
  const idle = globalThis.setTimeout(() => lines.close(), IDLE_MS);
  try {
    for await (const line of lines) {
      idle.refresh();
      const command = commandSchema.parse(JSON.parse(line));
      if (command.kind === 'listen') {
        asked = command;
        errorsBefore = await checksumErrors();
        listeners = await listen(
          command.address,
          command.ports.map((p) => p.port),
          command.nonce,
        );
        const server =
          command.helper === undefined
            ? 'there is no native helper'
            : await serveNative(command.helper, command.address, command.synPort, command.nonce);
        if (typeof server !== 'string') {
          native = server;
        }
        say({
          kind: 'ready',
          bound: listeners.bound,
          ...(typeof server === 'string' ? { note: server } : { udp: server.udp }),
        });
      } else if (command.kind === 'connect') {
        const { address, helper } = asked ?? { address: '', helper: undefined };
        say({
          kind: 'result',
          pairs: await Promise.all(
            command.peers.map((peer) =>
              tryPeer(command.from, address, peer, native === undefined ? undefined : helper),
            ),
          ),
        });
      } else {
        // What is still on its way.
        await setTimeout(30);
        const errors = await checksumErrors();
        say({
          kind: 'seen',
          syns: native?.seen ?? [],
          checksumErrors: errors === null || errorsBefore === null ? null : errors - errorsBefore,
        });
        return;
      }
    }
  } finally {
    clearTimeout(idle);
    lines.close();
    listeners?.close();
    native?.stop();
  }
}

async function tryPeer(from: string, own: string, peer: Peer, helper: string | undefined): Promise<ProbedPair> {
  const tries = await Promise.all(peer.ports.map((p) => tryPort(peer, p.name, p.port, own)));
  const sockets = tries.map((t) => t.socket).filter((s) => s !== undefined);
  const first = sockets[0];
  const timing = first === undefined ? { roundTripsMs: [], skew: null } : await measure(first);
  const [mbits, native] = await Promise.all([
    first === undefined ? undefined : tryBulk(first),
    helper === undefined || peer.udp === undefined ? 'there is no native helper' : tryNative(helper, own, peer),
  ]);
  for (const socket of sockets) {
    socket.destroy();
  }
  const pair: ProbedPair = {
    from,
    to: peer.name,
    ports: tries.map((t) => t.result),
    ...timing,
    mtu: null,
    synOption: null,
    bulk: first === undefined ? null : mbits !== undefined,
    mbits: mbits ?? null,
  };
  if (typeof native === 'string') {
    return { ...pair, note: native };
  }
  const { sourcePort, ...mtu } = native;
  return { ...pair, mtu, synSource: sourcePort };
}
