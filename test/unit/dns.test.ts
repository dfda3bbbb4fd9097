import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { decode, encode, type OptAnswer, type Packet } from 'dns-packet';
import fc from 'fast-check';
import t from 'tap';
import { MAX_UDP_BYTES, answer } from '../../src/dns/answer.ts';
import { ANSWERS_PER_S, createRateLimit } from '../../src/dns/rate.ts';
import { serveDns } from '../../src/dns/server.ts';
import type { ZoneData } from '../../src/dns/zone.ts';

const many = Array.from({ length: 60 }, (_, i) => `10.1.0.${i + 1}`);
const satellites = new Map([
  ['n1', ['10.0.0.5', 'fd00::5']],
  ['db.example', ['10.0.0.6']],
  ['many', many],
  ['quiet', []],
]);
const data: ZoneData = {
  zone: 'terrarium.internal',
  servers: () => ['10.0.0.1', 'fd00::1'],
  consoles: () => ['10.0.0.1'],
  satellite: (id) => satellites.get(id),
  hasBelow: (suffix) => [...satellites.keys()].some((id) => id.endsWith(`.${suffix}`)),
};

interface Asked {
  name: string;
  type?: 'A' | 'AAAA' | 'NS' | 'SOA' | 'TXT';
  packet?: Partial<Packet>;
  over?: 'udp' | 'tcp' | 'limited';
}

function ask({ name, type = 'A', packet = {}, over = 'udp' }: Asked): ReturnType<typeof decode> & { bytes: number } {
  const reply = answer(encode({ type: 'query', id: 77, questions: [{ type, name }], ...packet }), data, over, 1);
  if (reply === undefined) {
    throw new Error('no answer');
  }
  return { ...decode(reply), bytes: reply.length };
}
const shown = (asked: Asked): [string, unknown[]] => {
  const reply = ask(asked);
  return [
    reply.flag_tc ? 'TRUNCATED' : ((reply as { rcode?: string }).rcode ?? ''),
    (reply.answers ?? []).map((a) => ('data' in a ? a.data : undefined)),
  ];
};

t.test('names of the zone', async (t) => {
  t.same(shown({ name: 'n1.satellites.terrarium.internal' }), ['NOERROR', ['10.0.0.5']]);
  t.same(shown({ name: 'n1.satellites.terrarium.internal', type: 'AAAA' }), ['NOERROR', ['fd00::5']]);
  t.same(
    shown({ name: 'db.example.satellites.terrarium.internal' }),
    ['NOERROR', ['10.0.0.6']],
    'an id with a dot in it',
  );
  t.same(shown({ name: 'console.terrarium.internal' }), ['NOERROR', ['10.0.0.1']]);
  t.same(shown({ name: 'terrarium.internal', type: 'NS' }), [
    'NOERROR',
    ['ns1.terrarium.internal', 'ns2.terrarium.internal'],
  ]);
  t.same(shown({ name: 'ns2.terrarium.internal', type: 'AAAA' }), ['NOERROR', ['fd00::1']]);
  t.match(ask({ name: 'terrarium.internal', type: 'SOA' }).answers, [
    { type: 'SOA', data: { mname: 'ns1.terrarium.internal', minimum: 5 } },
  ]);
});

t.test('nothing of this type, nothing of this name, and what is not ours', async (t) => {
  for (const nodata of [
    'quiet.satellites.terrarium.internal',
    'satellites.terrarium.internal',
    'example.satellites.terrarium.internal',
    'terrarium.internal',
  ]) {
    t.same(shown({ name: nodata }), ['NOERROR', []], nodata);
    t.match(ask({ name: nodata }).authorities, [{ type: 'SOA', name: 'terrarium.internal', ttl: 5 }]);
  }
  for (const missing of [
    'n2.satellites.terrarium.internal',
    'x.terrarium.internal',
    'ns3.terrarium.internal',
    'x.n1.satellites.terrarium.internal',
    'ample.satellites.terrarium.internal',
  ]) {
    t.same(shown({ name: missing }), ['NXDOMAIN', []], missing);
    t.match(ask({ name: missing }).authorities, [{ type: 'SOA' }]);
  }
  for (const foreign of ['example.com', 'internal', '.', 'notterrarium.internal']) {
    t.same(shown({ name: foreign }), ['REFUSED', []], foreign);
  }
});

t.test('flags: authoritative, never recursive; the case of the question comes back', async (t) => {
  const reply = ask({ name: 'N1.Satellites.TERRARIUM.internal', packet: { flags: 1 << 8 } });
  t.match(reply, {
    id: 77,
    flag_aa: true,
    flag_rd: true,
    flag_ra: false,
    flag_qr: true,
    questions: [{ name: 'N1.Satellites.TERRARIUM.internal' }],
    answers: [{ name: 'N1.Satellites.TERRARIUM.internal', ttl: 5, data: '10.0.0.5' }],
  });
  t.notOk(ask({ name: 'example.com' }).flag_aa);
});

t.test('other kinds of messages', async (t) => {
  const query = encode({ type: 'query', id: 1, questions: [{ type: 'A', name: 'n1.satellites.terrarium.internal' }] });
  const patched = (...bytes: [number, number][]): Buffer => {
    const copy = Buffer.from(query);
    for (const [at, value] of bytes) {
      copy[at] = value;
    }
    return copy;
  };
  const rcode = (message: Buffer): unknown => {
    const reply = answer(message, data, 'udp', 1);
    return reply === undefined ? undefined : (reply[3] ?? 0) & 0x0f;
  };
  t.equal(rcode(patched([2, 0x80])), undefined, 'an answer is not answered');
  t.equal(rcode(Buffer.alloc(11)), undefined);
  t.equal(rcode(patched([2, 0x28])), 4, 'an update');
  t.equal(rcode(patched([5, 2])), 1, 'two questions');
  t.equal(rcode(patched([5, 0])), 1, 'none');
  t.equal(rcode(query.subarray(0, 20)), 1, 'half of one');
  t.equal(rcode(patched([12, 0xc0])), 1, 'a name that points elsewhere');
  t.equal(rcode(patched([query.length - 1, 3])), 5, 'class CHAOS');
});

t.test('an answer that is too long for UDP says so, and comes whole by TCP', async (t) => {
  const name = 'many.satellites.terrarium.internal';
  t.same(shown({ name }), ['TRUNCATED', []]);
  const opt: OptAnswer = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 65_000,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
  const reply = ask({ name, packet: { additionals: [opt] } });
  t.ok(reply.flag_tc);
  t.ok(reply.bytes <= MAX_UDP_BYTES);
  t.match(reply.additionals, [{ type: 'OPT', udpPayloadSize: MAX_UDP_BYTES }]);
  t.equal(ask({ name, over: 'tcp' }).answers?.length, 60);
  t.match(
    ask({ name: 'n1.satellites.terrarium.internal', packet: { additionals: [{ ...opt, ednsVersion: 1 }] } })
      .additionals,
    [{ extendedRcode: 1 }],
    'BADVERS',
  );
});

t.test('no message makes it throw, say more than it may, or answer an answer', async (t) => {
  const valid = fc
    .record({
      name: fc.constantFrom(
        'n1.satellites.terrarium.internal',
        'many.satellites.terrarium.internal',
        'terrarium.internal',
        'x.example',
      ),
      type: fc.constantFrom('A', 'AAAA', 'NS', 'SOA', 'TXT'),
    })
    .map((q) =>
      encode({
        type: 'query',
        id: 5,
        questions: [q as { name: string; type: 'A' }],
        additionals: [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: 4096,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ],
      }),
    );
  const damaged = fc
    .tuple(valid, fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 8 }), fc.nat(200))
    .map(([message, changes, cut]) => {
      const copy = Buffer.from(message);
      for (const [at, value] of changes) {
        copy[at % copy.length] = value;
      }
      return cut < 60 ? copy.subarray(0, cut) : copy;
    });
  const random = fc.uint8Array({ maxLength: 700 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.oneof(valid, damaged, random), fc.constantFrom('udp', 'tcp', 'limited'), (message, over) => {
      const reply = answer(message, data, over as 'udp', 1);
      if (reply === undefined) {
        return message.length < 12 || ((message[2] ?? 0) & 0x80) !== 0;
      }
      if ((reply[2] ?? 0) < 0x80 || ((reply[3] ?? 0) & 0x80) !== 0) {
        return false;
      }
      if (!reply.subarray(0, 2).equals(message.subarray(0, 2))) {
        return false;
      }
      return over === 'tcp' || reply.length <= (over === 'limited' ? message.length : MAX_UDP_BYTES);
    }),
    { numRuns: 3000 },
  );
  t.pass();
});

t.test('how often one client is answered', async (t) => {
  let now = 0;
  const limit = createRateLimit(() => now);
  const verdicts = (address: string): string[] => Array.from({ length: 120 }, () => limit.udp(address));
  const expected = [
    ...Array.from({ length: ANSWERS_PER_S }, () => 'answer'),
    ...Array.from({ length: ANSWERS_PER_S }, () => 'truncate'),
    ...Array.from({ length: 20 }, () => 'drop'),
  ];
  t.same(verdicts('10.0.0.9'), expected);
  t.equal(limit.udp('10.0.0.10'), 'answer', 'another client');
  t.equal(limit.tcp('10.0.0.9'), 'answer', 'the same by TCP');
  now = 1000;
  t.equal(limit.udp('10.0.0.9'), 'answer', 'a second later');
  t.same(verdicts('fd00:1:2:3::1').slice(0, 1), ['answer']);
  t.equal(limit.udp('fd00:1:2:3:ffff::2'), 'drop', 'its whole /64 is one client');
});

t.test('nonsense over sockets leaves it alive', async (t) => {
  let now = 0;
  // Each message a second later: nothing is held back.
  const server = await serveDns({ address: '127.0.0.1', port: 0, data, now: () => (now += 1000) });
  t.teardown(() => server.stop());
  const udp = createSocket('udp4');
  t.teardown(() => udp.close());
  for (const bytes of fc.sample(fc.uint8Array({ minLength: 1, maxLength: 300 }), { numRuns: 300, seed: 20261121 })) {
    udp.send(bytes, server.port, '127.0.0.1');
    const socket = connect(server.port, '127.0.0.1').on('error', () => undefined);
    socket.end(bytes);
    socket.resume();
    await once(socket, 'close');
  }
  udp.send(
    encode({ type: 'query', id: 9, questions: [{ type: 'A', name: 'console.terrarium.internal' }] }),
    server.port,
    '127.0.0.1',
  );
  let reply: Buffer;
  do {
    [reply] = (await once(udp, 'message')) as [Buffer];
  } while (reply.readUInt16BE(0) !== 9);
  t.match(decode(reply).answers, [{ data: '10.0.0.1' }]);
});

t.test('over sockets', async (t) => {
  const server = await serveDns({ address: '127.0.0.1', port: 0, data, now: () => 1000 });
  t.teardown(() => server.stop());
  const query = encode({ type: 'query', id: 9, questions: [{ type: 'A', name: 'n1.satellites.terrarium.internal' }] });
  const udp = createSocket('udp4');
  t.teardown(() => udp.close());
  udp.send(Buffer.from('nonsense that is no message'), server.port, '127.0.0.1');
  udp.send(query, server.port, '127.0.0.1');
  let reply: Buffer;
  do {
    [reply] = (await once(udp, 'message')) as [Buffer];
  } while (reply.readUInt16BE(0) !== 9);
  t.match(decode(reply).answers, [{ data: '10.0.0.5' }]);

  const tcp = connect(server.port, '127.0.0.1');
  t.teardown(() => tcp.destroy());
  const framed = Buffer.concat([Buffer.from([0, query.length]), query]);
  tcp.write(framed.subarray(0, 5));
  tcp.write(Buffer.concat([framed.subarray(5), framed]));
  let got = Buffer.alloc(0);
  while (got.length < 2 || got.length < 2 * (2 + got.readUInt16BE(0))) {
    got = Buffer.concat([got, ((await once(tcp, 'data')) as [Buffer])[0]]);
  }
  t.match(decode(got.subarray(2)).answers, [{ data: '10.0.0.5' }], 'two questions in pieces, two answers');
  for (let i = 0; i < 60; i += 1) {
    tcp.write(framed);
  }
  await once(tcp, 'close');
  t.pass('one who asks too often by TCP is cut off');
  await t.rejects(serveDns({ address: '127.0.0.1', port: server.port, data }), { code: 'dns-listen' });
});
