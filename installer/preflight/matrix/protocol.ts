import { z } from 'zod';

/**
 * The CLI drives one `terrarium probe` on each host by lines of JSON on its stdin and stdout:
 * listen → ready, connect → result, finish → seen, then it ends. It also ends with its stdin.
 */
const portsSchema = z.array(z.object({ name: z.string(), port: z.int() }));

export const listenSchema = z.object({
  kind: z.literal('listen'),
  address: z.string(),
  ports: portsSchema,
  /** 16 hex digits; tells our own listener from a stranger's, is no secret. */
  nonce: z.string().regex(/^[0-9a-f]{16}$/),
  /** Native helper on this host. */
  helper: z.string().optional(),
  /** Listened for SYNs with an option. */
  synPort: z.int(),
});

const peerSchema = z.object({
  name: z.string(),
  address: z.string(),
  ports: portsSchema,
  /** Those of them on which our probe listens; others are another program's. */
  bound: z.array(z.int()),
  nonce: z.string(),
  /** Where its helper answers datagrams; undefined without a helper. */
  udp: z.int().optional(),
  synPort: z.int(),
  /** 8 hex digits: sequence number of the SYN to this peer. */
  sequence: z.string(),
  /** 28 hex digits. */
  option: z.string(),
});
export type Peer = z.infer<typeof peerSchema>;

export const commandSchema = z.discriminatedUnion('kind', [
  listenSchema,
  z.object({ kind: z.literal('connect'), from: z.string(), peers: z.array(peerSchema) }),
  z.object({ kind: z.literal('finish') }),
]);
export type ProbeCommand = z.infer<typeof commandSchema>;

const outcomeSchema = z.enum(['open', 'refused', 'timeout', 'unreachable', 'stranger']);
const pairSchema = z.object({
  from: z.string(),
  to: z.string(),
  ports: z.array(z.object({ name: z.string(), port: z.int(), outcome: outcomeSchema })),
  roundTripsMs: z.array(z.number()),
  skew: z.object({ ms: z.number(), errorMs: z.number() }).nullable(),
  mtu: z
    .object({ device: z.string(), deviceMtu: z.int(), passes: z.int().nullable(), told: z.int().nullable() })
    .nullable(),
  synOption: z.enum(['kept', 'stripped', 'dropped']).nullable(),
  bulk: z.boolean().nullable(),
  mbits: z.number().nullable(),
  note: z.string().optional(),
  /** Source port of the SYN, for finding it among those seen. */
  synSource: z.int().optional(),
});
export type ProbedPair = z.infer<typeof pairSchema>;

const synSchema = z.object({ source: z.string(), port: z.int(), sequence: z.string(), option: z.string().nullable() });
export type SeenSyn = z.infer<typeof synSchema>;

export const answerSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready'), bound: z.array(z.int()), udp: z.int().optional(), note: z.string().optional() }),
  z.object({ kind: z.literal('result'), pairs: z.array(pairSchema) }),
  z.object({ kind: z.literal('seen'), syns: z.array(synSchema), checksumErrors: z.int().nullable() }),
]);
export type ProbeAnswer = z.infer<typeof answerSchema>;
