import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Topology } from '../../bus/config.ts';
import { hostPort } from '../../host-port.ts';
import type { Enrolment } from '../context.ts';
import { openSatellitesAuthority, type SatellitesAuthority } from '../satellites-authority.ts';
import type { CloudSettings } from '../settings.ts';

/**
 * Returns what enrolment needs to know of this instance. The authority is opened when it is first needed, and again
 * where that failed.
 */
export function instanceEnrolment(settings: CloudSettings, members: () => Topology): Enrolment {
  const { ports } = settings.config;
  let authority: Promise<SatellitesAuthority> | undefined;
  const everywhere = (port: number): string[] => members().servers.map((s) => hostPort(s.address, port));
  return {
    authority: () =>
      (authority ??= openSatellitesAuthority(join(settings.stateDir, 'satellites'), settings.node, {
        lifeMs: settings.satelliteLifeMs,
      }).catch((error: Error) => {
        authority = undefined;
        throw error;
      })),
    ca: () => readFileSync(join(settings.tlsDir, 'ca.crt'), 'utf8'),
    clouds: () => everywhere(ports.nats),
    consoles: () => everywhere(ports.console),
    nodes: () => members().satellites,
  };
}
