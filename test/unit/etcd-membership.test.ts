import t from 'tap';
import { membershipSteps, type EtcdMember } from '../../installer/node/etcd.ts';

const url = (n: number): string => `https://192.0.2.${n}:2380`;
const member = (n: number, more: Partial<EtcdMember> = {}): EtcdMember => ({
  id: `m${n}`,
  name: `n${n}`,
  peerUrls: [url(n)],
  learner: false,
  ...more,
});
const NOTHING = { remove: [], promote: [], wipe: false, add: false };

t.test('a new node is added', async (t) => {
  t.strictSame(membershipSteps([member(1)], url(2), false), { ...NOTHING, add: true });
});

t.test('a member that a killed try has added is used', async (t) => {
  t.strictSame(
    membershipSteps([member(1), member(2, { name: '', learner: true })], url(2), false),
    NOTHING,
    'killed before it started',
  );
  t.strictSame(
    membershipSteps([member(1), member(2, { learner: true })], url(2), true),
    NOTHING,
    'killed before its vote',
  );
  t.strictSame(membershipSteps([member(1), member(2)], url(2), true), NOTHING, 'killed after it');
});

t.test('a member that has lost its data is replaced', async (t) => {
  t.strictSame(membershipSteps([member(1), member(2)], url(2), false), { ...NOTHING, remove: ['m2'], add: true });
});

t.test('data of a member that was removed is not started with', async (t) => {
  t.strictSame(membershipSteps([member(1)], url(2), true), { ...NOTHING, wipe: true, add: true });
});

t.test('a learner that another node has left does not stand in the way', async (t) => {
  t.strictSame(membershipSteps([member(1), member(2, { name: '', learner: true })], url(3), false), {
    ...NOTHING,
    remove: ['m2'],
    add: true,
  });
  t.strictSame(membershipSteps([member(1), member(2, { learner: true })], url(3), false), {
    ...NOTHING,
    promote: ['m2'],
    add: true,
  });
});
