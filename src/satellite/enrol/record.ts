import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { credentialReady } from '../../../installer/node/credentials.ts';
import { enrolledId } from '../../cloud/satellites-api.ts';

const schema = z.object({
  id: enrolledId,
  clouds: z.array(z.string()).min(1),
  consoles: z.array(z.string()).default([]),
  /** How others reach this machine, where that is not what its interfaces say. */
  advertise: z.string().optional(),
});
/**
 * What a satellite of a machine outside the cluster got at its enrolment: its id, `host:port` of the bus on each
 * control plane, and of the console, where the bus is too.
 */
export type EnrolmentRecord = z.infer<typeof schema>;

export const enrolmentFile = (data: string): string => join(data, 'satellite/enrolment.json');

/** Keys and certificate. */
export const tlsFolder = (data: string): string => join(data, 'satellite/tls');

/**
 * Where a renewal makes the next ones, and where the ones before are until the cloud has confirmed that they are void.
 */
export const nextFolder = (data: string): string => `${tlsFolder(data)}.next`;
export const formerFolder = (data: string): string => `${tlsFolder(data)}.former`;

/** Whether an enrolment has been completed here. */
export const isEnrolled = (data: string): boolean =>
  credentialReady({ dir: tlsFolder(data), name: 'client' }) && readEnrolment(data) !== undefined;

/**
 * When the certificate ends by which this machine's satellite comes to the bus, milliseconds since 1970; undefined
 * where there is none.
 */
export function certificateEnds(data: string): number | undefined {
  try {
    return new X509Certificate(readFileSync(join(tlsFolder(data), 'client.crt'))).validToDate.getTime();
  } catch {
    return undefined;
  }
}

/** Whether that has been so long ago that nobody lets it in: it has to enrol again. */
export const hasEnded = (data: string, now: number = Date.now()): boolean => (certificateEnds(data) ?? now) < now;

/** Undefined on a node of the cluster, which has no need of one. */
export function readEnrolment(data: string): EnrolmentRecord | undefined {
  let text: string;
  try {
    text = readFileSync(enrolmentFile(data), 'utf8');
  } catch {
    return undefined;
  }
  return schema.parse(JSON.parse(text));
}
