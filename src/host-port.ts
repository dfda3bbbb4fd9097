import { isIPv6 } from 'node:net';

/** `HOST:PORT`, `[V6]:PORT` */
export function hostPort(host: string, port: number): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}
