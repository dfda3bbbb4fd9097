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
/** What a satellite of a machine outside the cluster got at its enrolment: its id, `host:port` of the bus on each control plane, and of the console, where the bus is too. */
export type EnrolmentRecord = z.infer<typeof schema>;

export const enrolmentFile = (data: string): string => join(data, 'satellite/enrolment.json');

/** Keys and certificate. */
export const tlsFolder = (data: string): string => join(data, 'satellite/tls');

/** Whether an enrolment has been completed here. */
export const isEnrolled = (data: string): boolean => credentialReady({ dir: tlsFolder(data), name: 'client' }) && readEnrolment(data) !== undefined;

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
