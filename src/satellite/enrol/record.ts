import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { enrolledId } from '../../cloud/satellites-api.ts';

const schema = z.object({ id: enrolledId, clouds: z.array(z.string()).min(1) });
/** What a satellite of a machine outside the cluster got at its enrolment: its id, and `host:port` of the bus on each control plane. */
export type EnrolmentRecord = z.infer<typeof schema>;

export const enrolmentFile = (data: string): string => join(data, 'satellite/enrolment.json');

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
