import { isIPv4, isIPv6 } from 'node:net';
import {
  AUTHORITATIVE_ANSWER,
  TRUNCATED_RESPONSE,
  decode as decodePacket,
  encode as encodePacket,
  type Answer,
  type OptAnswer,
} from 'dns-packet';
import { find, relativeTo, type ZoneData } from './zone.ts';

/** Seconds. Addresses are those of the last heartbeat, so nobody is to keep them for long. */
export const TTL_S = 5;
/** Beyond this a datagram may be fragmented on its way, and fragments get lost (RFC 9715). */
export const MAX_UDP_BYTES = 1232;
const PLAIN_UDP_BYTES = 512;
/** Longer questions there are not: one name, an OPT and a signature. */
const MAX_QUESTION_BYTES = 4096;

const HEADER_BYTES = 12;
const RCODE = { ok: 0, format: 1, notExisting: 3, notImplemented: 4, refused: 5, badVersion: 16 } as const;
const TYPE = { A: 1, NS: 2, SOA: 6, AAAA: 28, ANY: 255 } as const;
const CLASS_IN = 1;

interface Question {
  /** In lower case; undefined where a label has a dot or what is no ASCII in it, which no name of ours has. */
  name: string | undefined;
  /** As asked: resolvers choose its case at random and compare. */
  asked: string;
  type: number;
  class: number;
  /** Its bytes, to be sent back as they are. */
  raw: Buffer;
}

/**
 * The question after the header; undefined where it is none. A name there has nothing before it that it could point to.
 */
function question(message: Buffer): Question | undefined {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  let plain = true;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63) {
      return undefined;
    }
    at += 1;
    if (length === 0) {
      break;
    }
    const label = message.subarray(at, at + length);
    if (label.length < length) {
      return undefined;
    }
    plain &&= /^[A-Za-z0-9_-]+$/.test(label.toString('latin1'));
    labels.push(label.toString('latin1'));
    at += length;
  }
  if (at - HEADER_BYTES > 255 || at + 4 > message.length) {
    return undefined;
  }
  const asked = labels.join('.');
  return {
    name: plain ? asked.toLowerCase() : undefined,
    asked,
    type: message.readUInt16BE(at),
    class: message.readUInt16BE(at + 2),
    raw: message.subarray(HEADER_BYTES, at + 4),
  };
}

interface Reply {
  rcode: number;
  authoritative?: boolean;
  truncated?: boolean;
  answers?: Answer[];
  authorities?: Answer[];
}

function encode(message: Buffer, asked: Question | undefined, edns: boolean, reply: Reply): Buffer {
  const opt: OptAnswer = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: MAX_UDP_BYTES,
    extendedRcode: reply.rcode >> 4,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
  const body = encodePacket({
    id: message.readUInt16BE(0),
    type: 'response',
    flags:
      (reply.authoritative === true ? AUTHORITATIVE_ANSWER : 0) |
      (reply.truncated === true ? TRUNCATED_RESPONSE : 0) |
      (reply.rcode & 0x0f),
    questions: [],
    answers: reply.answers ?? [],
    authorities: reply.authorities ?? [],
    additionals: edns ? [opt] : [],
  });
  // The opcode, and whether recursion was desired, come back as they were; that it is not available is said by zero.
  body[2] = (body[2] ?? 0) | ((message[2] ?? 0) & 0x79);
  if (asked === undefined) {
    return body;
  }
  body.writeUInt16BE(1, 4);
  return Buffer.concat([body.subarray(0, HEADER_BYTES), asked.raw, body.subarray(HEADER_BYTES)]);
}

/** The OPT record (RFC 6891) of a question. @throws where what follows the question is not well-formed */
function optOf(message: Buffer): OptAnswer | undefined {
  const records = decodePacket(message).additionals ?? [];
  const opts = records.filter((r): r is OptAnswer => r.type === 'OPT');
  if (opts.length > 1) {
    throw new Error('more than one OPT');
  }
  return opts[0];
}

/**
 * Answers one message, from this zone's authority alone: nobody else is ever asked. Never throws.
 * @param over `limited`: over UDP to a client that asks too often: an answer without content, no longer than its
 *   question, that tells it to come by TCP
 * @returns undefined for what is no question and must not be answered, such as an answer
 */
export function answer(
  message: Buffer,
  data: ZoneData,
  over: 'udp' | 'tcp' | 'limited',
  serial: number,
): Buffer | undefined {
  if (message.length < HEADER_BYTES || ((message[2] ?? 0) & 0x80) !== 0) {
    return undefined;
  }
  const failed = (rcode: number, asked?: Question, edns = false): Buffer => encode(message, asked, edns, { rcode });
  if (((message[2] ?? 0) & 0x78) !== 0) {
    return failed(RCODE.notImplemented);
  }
  const asked = message.length > MAX_QUESTION_BYTES || message.readUInt16BE(4) !== 1 ? undefined : question(message);
  if (asked === undefined || message.readUInt16BE(6) !== 0 || message.readUInt16BE(8) !== 0) {
    return failed(RCODE.format);
  }
  if (over === 'limited') {
    return encode(message, asked, false, { rcode: RCODE.ok, truncated: true });
  }
  let opt: OptAnswer | undefined;
  try {
    opt = optOf(message);
  } catch {
    return failed(RCODE.format, asked);
  }
  const edns = opt !== undefined;
  if (opt !== undefined && opt.ednsVersion !== 0) {
    return failed(RCODE.badVersion, asked, true);
  }
  const relative = asked.name === undefined || asked.class !== CLASS_IN ? undefined : relativeTo(data.zone, asked.name);
  if (relative === undefined) {
    return failed(RCODE.refused, asked, edns);
  }
  const reply = encode(message, asked, edns, inZone(asked, relative, data, serial));
  const most =
    over === 'tcp'
      ? Number.POSITIVE_INFINITY
      : Math.min(MAX_UDP_BYTES, Math.max(PLAIN_UDP_BYTES, opt?.udpPayloadSize ?? 0));
  return reply.length <= most
    ? reply
    : encode(message, asked, edns, { rcode: RCODE.ok, authoritative: true, truncated: true });
}

function inZone(asked: Question, relative: string, data: ZoneData, serial: number): Reply {
  const { zone } = data;
  const soa: Answer = {
    type: 'SOA',
    name: zone,
    ttl: TTL_S,
    data: {
      mname: `ns1.${zone}`,
      rname: `hostmaster.${zone}`,
      serial,
      refresh: 60,
      retry: 10,
      expire: 600,
      minimum: TTL_S,
    },
  };
  const found = find(data, relative);
  if (found === undefined) {
    return { rcode: RCODE.notExisting, authoritative: true, authorities: [soa] };
  }
  const wants = (type: number): boolean => asked.type === type || asked.type === TYPE.ANY;
  const answers: Answer[] = [];
  if (found.apex && wants(TYPE.SOA)) {
    answers.push({ ...soa, name: asked.asked });
  }
  if (found.apex && wants(TYPE.NS)) {
    answers.push(
      ...data
        .servers()
        .map((_, i): Answer => ({ type: 'NS', name: asked.asked, ttl: TTL_S, data: `ns${i + 1}.${zone}` })),
    );
  }
  if (wants(TYPE.A)) {
    answers.push(
      ...found.addresses
        .filter((a) => isIPv4(a))
        .map((a): Answer => ({ type: 'A', name: asked.asked, ttl: TTL_S, data: a })),
    );
  }
  if (wants(TYPE.AAAA)) {
    answers.push(
      ...found.addresses
        .filter((a) => isIPv6(a))
        .map((a): Answer => ({ type: 'AAAA', name: asked.asked, ttl: TTL_S, data: a })),
    );
  }
  return answers.length > 0
    ? { rcode: RCODE.ok, authoritative: true, answers }
    : { rcode: RCODE.ok, authoritative: true, authorities: [soa] };
}
