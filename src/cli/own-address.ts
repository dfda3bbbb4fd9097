import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { EXIT, Failure } from '../errors.ts';

interface Candidate {
  device: string;
  address: string;
  family: 'IPv4' | 'IPv6';
}

/**
 * Device of the default route with the lowest metric, from /proc/net/route and /proc/net/ipv6_route; undefined without
 * one.
 */
export function defaultRouteDevice(
  ipv4Routes: string,
  ipv6Routes: string,
): { device: string; family: 4 | 6 } | undefined {
  const four = ipv4Routes
    .split('\n')
    .slice(1)
    .map((l) => l.split('\t'))
    .filter((f) => f[1] === '00000000' && f[7] === '00000000' && f[0] !== undefined)
    .toSorted((a, b) => Number(a[6]) - Number(b[6]))[0]?.[0];
  if (four !== undefined) {
    return { device: four, family: 4 };
  }
  const six = ipv6Routes
    .split('\n')
    .map((l) => l.trim().split(/\s+/))
    .filter((f) => f[0] === '0'.repeat(32) && f[1] === '00' && f[9] !== 'lo' && f[9] !== undefined)
    .toSorted((a, b) => parseInt(a[5] ?? '0', 16) - parseInt(b[5] ?? '0', 16))[0]?.[9];
  return six === undefined ? undefined : { device: six, family: 6 };
}

/**
 * The address by which others reach this machine: that of the default route's interface, else the only one there is.
 * @throws Failure `no-own-address` asking for --address.
 */
export function ownAddress(): string {
  const all: Candidate[] = Object.entries(networkInterfaces()).flatMap(([device, list]) =>
    (list ?? [])
      .filter((a) => !a.internal && !/^(fe80:|169\.254\.)/i.test(a.address))
      .map((a) => ({ device, address: a.address, family: a.family })),
  );
  const route = defaultRouteDevice(read('/proc/net/route'), read('/proc/net/ipv6_route'));
  const routed = all.find((a) => a.device === route?.device && a.family === (route?.family === 6 ? 'IPv6' : 'IPv4'));
  if (routed !== undefined) {
    return routed.address;
  }
  const only = all.filter((a) => a.family === 'IPv4');
  const candidates = only.length > 0 ? only : all;
  if (candidates.length === 1 && candidates[0] !== undefined) {
    return candidates[0].address;
  }
  throw new Failure(
    'no-own-address',
    candidates.length === 0
      ? 'This machine has no address by which others could reach it.'
      : `This machine has several addresses (${candidates.map((c) => c.address).join(', ')}) and no default route.`,
    {
      remedy:
        candidates.length === 0
          ? 'Configure its network, or name an address by --address.'
          : 'Say by --address which one the other machines reach.',
      exitCode: EXIT.usage,
    },
  );
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
