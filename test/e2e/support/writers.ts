import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Access } from '../../support/http-writers.ts';

/** What the command line of the lab's administrator uses. */
export function accessOf(home: string): Access {
  const { contexts } = parse(readFileSync(join(home, 'config.yaml'), 'utf8')) as {
    contexts: { token: string; ca: string; ports: { console: number }; controlPlanes: { address: string }[] }[];
  };
  const [context] = contexts;
  if (context === undefined) {
    throw new Error('no context');
  }
  return {
    token: context.token,
    ca: context.ca,
    port: context.ports.console,
    addresses: context.controlPlanes.map((c) => c.address),
  };
}

/** The state's folders of a lab's machines as they lie on their disks, by name. */
export function stateFolders(machines: string[]): Record<string, string> {
  return Object.fromEntries(
    machines.map((name) => [name, `/run/terrarium-lab/${name.toLowerCase()}/root/var/lib/terrarium/cloud/state/state`]),
  );
}
