import { z } from 'zod';
import { access, tags, title } from '../store/fields.ts';
import { pageQuery } from './parameters.ts';
import { timestampShape, versionShape } from './shapes.ts';

/** `enrolled`: never heard since. */
export const satelliteStateSchema = z.enum(['enrolled', 'healthy', 'degraded', 'unreachable', 'revoked']);
export type SatelliteState = z.infer<typeof satelliteStateSchema>;

export const satelliteSchema = z.object({
  id: z.string(),
  node: z.string(),
  state: satelliteStateSchema,
  /** As given at its enrolment, or since; by default its id. */
  name: z.string(),
  tags: z.record(z.string(), z.string()),
  /** How it is asked: `cloud`, through the cloud only; `direct`, by browsers only; or `both`. */
  access,
  /** Its version in the state, for `expect`; 0 while nothing of it is there. */
  revision: versionShape,
  version: z.string(),
  addresses: z.array(z.string()),
  tables: z.array(z.object({ name: z.string(), columns: z.array(z.string()) })),
  load: z.tuple([z.number(), z.number(), z.number()]),
  startedAt: timestampShape,
  firstSeen: timestampShape,
  lastSeen: timestampShape,
  /** When the certificate ends by which it comes to the bus, as far as is known. */
  certificateEnds: timestampShape.exactOptional(),
  /** Why it is not let in, and what to do, where that is known. */
  reason: z.string().exactOptional(),
});
export type SatelliteInfo = z.infer<typeof satelliteSchema>;
export const satelliteChangeBody = z.strictObject({
  name: title.optional(),
  tags: tags.optional(),
  access: access.optional(),
  expect: versionShape.optional(),
});
export const satelliteRevokeQuery = z.strictObject({ reason: z.string().max(300).optional() });

/** A change of a satellite's state: when, by whom, and why. */
export const satelliteHistorySchema = z.object({
  seq: versionShape,
  at: timestampShape,
  state: satelliteStateSchema,
  actor: z.string(),
  reason: z.string(),
});
export type SatelliteChange = z.infer<typeof satelliteHistorySchema>;

/** Satellites as `n1,n2`: of a query, whose length is bounded. */
export const MOST_IDS = 100;
export const someIds = z
  .string()
  .max(7000)
  .regex(new RegExp(`^[a-z0-9.-]{1,63}(,[a-z0-9.-]{1,63}){0,${MOST_IDS - 1}}$`));

/** `?ids=&text=&state=&tags=&sort=` of the satellites' list, beside `limit` and `cursor`. */
export const satelliteListQuery = z.strictObject({
  ...pageQuery,
  /** `n1,n2`: only these. */
  ids: someIds.optional(),
  /** Words, each of which is in its id, name, node, state, version, one of its addresses, or its tags. */
  text: z.string().max(200).optional(),
  /** `degraded,unreachable`: in one of these states. */
  state: z
    .string()
    .regex(new RegExp(`^(${satelliteStateSchema.options.join('|')})(,(${satelliteStateSchema.options.join('|')}))*$`))
    .optional(),
  /** `name=value,name=value`: with all of these tags. */
  tags: z
    .string()
    .max(2000)
    .regex(/^[^=,]+=[^,]*(,[^=,]+=[^,]*)*$/)
    .optional(),
  /** `state`: the worst first; `load`: the highest; `lastSeen`: the longest silent. */
  sort: z.enum(['id', 'state', 'load', 'lastSeen']).default('id'),
  /** `none`: each one's tables are left empty; they are most of what a list weighs. */
  tables: z.enum(['all', 'none']).default('all'),
});
export const satellitePageSchema = z.object({
  items: z.array(satelliteSchema),
  next: z.string().nullable(),
  /** Of all pages. */ matched: z.int(),
});
export type SatellitePage = z.infer<typeof satellitePageSchema>;

/** A table as satellites of some releases have it: all columns that any of them has, and how many have the table. */
export const fleetTableSchema = z.object({ name: z.string(), columns: z.array(z.string()), on: z.int() });
export type FleetTable = z.infer<typeof fleetTableSchema>;
/** `?satellites=n1,n2`: of these; of all that are heard without. */
export const fleetTablesQuery = z.strictObject({ satellites: someIds.optional() });

const satelliteBriefSchema = satelliteSchema.pick({ id: true, name: true, node: true, state: true, lastSeen: true });
export type SatelliteBrief = z.infer<typeof satelliteBriefSchema>;
/** The satellites in a few words, however many there are; all of them are at /api/v1/satellites. */
export const fleetSummarySchema = z.object({
  /** Of the answering instance: grows with every change but of a heartbeat's time and load. */
  version: z.int(),
  counts: z.record(satelliteStateSchema, z.int()),
  /** The worst of those that have been heard and are not healthy: at most 100, the worst first. */
  concerns: z.array(satelliteBriefSchema),
  /** Nodes of the cluster of which no satellite is known. */
  missing: z.array(z.string()),
});
export type FleetSummary = z.infer<typeof fleetSummarySchema>;
