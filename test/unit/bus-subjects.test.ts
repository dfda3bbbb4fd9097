import fc from 'fast-check';
import t from 'tap';
import { BATCH, aliveFrameSchema, decode, encode, frameSchema, type Frame } from '../../src/bus/frames.ts';
import { nameOf, parseReply, subjects, token } from '../../src/bus/subjects.ts';

const name = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?$/);

t.test('a node name becomes one token and comes back', async (t) => {
  fc.assert(
    fc.property(name, (n) => {
      t.notOk(token(n).includes('.'));
      return nameOf(token(n)) === n;
    }),
  );
});

t.test('names that would reach beyond one token are refused', async (t) => {
  for (const bad of ['', '*', '>', 'a b', 'N1', 'a_b', '.a', 'a.', 'a.*', 'a\n']) {
    t.throws(() => token(bad), bad);
  }
});

t.test('a reply subject tells who answers whom', async (t) => {
  t.same(parseReply(subjects.reply('n1', 'abc12345', 'db.example')), {
    instance: 'n1',
    query: 'abc12345',
    sat: 'db.example',
  });
  for (const other of ['heartbeat.n1', 'reply.n1.q', 'reply.n1.q.s.more']) {
    t.equal(parseReply(other), undefined, other);
  }
});

t.test('a frame survives the wire; what is none is told apart', async (t) => {
  const batch: Frame = {
    q: 'abcdefgh',
    sat: 'n1',
    seq: 0,
    columns: ['a'],
    rows: [[1], [null], ['x'], [{ blob: 'AAEC' }]],
  };
  t.same(decode(frameSchema, encode(batch)), batch);
  const alive: Frame = { q: 'abcdefgh', sat: 'n1', alive: true };
  t.same(decode(aliveFrameSchema, encode(alive)), alive);
  for (const bad of [
    '',
    'null',
    '{}',
    '{"q":"abcdefgh","sat":"n1","seq":-1,"rows":[]}',
    '{"q":"abcdefgh","sat":"n1","seq":0,"rows":[[true]]}',
    '{"q":"x","sat":"n1","alive":true}',
  ]) {
    t.equal(decode(frameSchema, bad), undefined, bad);
  }
  t.ok(BATCH.bytes * 2 < 1024 * 1024, 'a batch, whose last row may double it, fits into a message');
});
