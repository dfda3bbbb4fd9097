import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import type { Peer, SeenSyn } from './protocol.ts';

/** The native helper answering others' probes. */
export interface NativeServer {
  udp: number;
  seen: SeenSyn[];
  stop(): void;
}

export async function serveNative(
  helper: string,
  address: string,
  synPort: number,
  nonce: string,
): Promise<NativeServer | string> {
  const child = spawn(helper, ['serve', address, String(synPort), nonce], { stdio: ['pipe', 'pipe', 'pipe'] });
  const seen: SeenSyn[] = [];
  return await new Promise((resolve) => {
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.on('error', (error) => resolve(`the native helper does not start: ${error.message}`));
    child.on('exit', () => resolve(said.trim()));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [kind, ...words] = line.split(' ');
      if (kind === 'udp') {
        resolve({ udp: Number(words[0]), seen, stop: () => child.stdin.end() });
      }
      if (kind !== 'syn') {
        return;
      }
      const [source = '', port = '', sequence = '', option = '-'] = words;
      seen.push({ source, port: Number(port), sequence, option: option === '-' ? null : option });
    });
  });
}

const triedSchema = z.object({
  device: z.string(),
  deviceMtu: z.int(),
  passes: z.int().nullable(),
  told: z.int().nullable(),
  sourcePort: z.int(),
});

/** Sends the SYN and looks for the largest packet; a string tells why not. */
export async function tryNative(
  helper: string,
  own: string,
  peer: Peer,
): Promise<z.infer<typeof triedSchema> | string> {
  return await new Promise((resolve) => {
    execFile(
      helper,
      ['try', own, peer.address, String(peer.udp), String(peer.synPort), peer.nonce, peer.sequence, peer.option],
      { timeout: 15_000 },
      (error, stdout, stderr) => {
        if (error !== null) {
          resolve(stderr.trim() === '' ? error.message : stderr.trim());
        } else {
          resolve(triedSchema.parse(JSON.parse(stdout)));
        }
      },
    );
  });
}
