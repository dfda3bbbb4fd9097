import t from 'tap';
import type { Facts } from '../../installer/preflight/facts/facts.ts';
import { allChecks } from '../../installer/preflight/registry.ts';
import { KERNEL_CASES } from './support/preflight-kernel-cases.ts';
import { MACHINE_CASES } from './support/preflight-machine-cases.ts';
import { NETWORK_CASES } from './support/preflight-network-cases.ts';
import { SOFTWARE_CASES } from './support/preflight-software-cases.ts';
import { STORAGE_CASES } from './support/preflight-storage-cases.ts';
import { DISK, change, context, hostCheck, member, realFacts, type Case } from './support/preflight.ts';

const CASES: Record<string, Case> = {
  ...MACHINE_CASES,
  ...KERNEL_CASES,
  ...STORAGE_CASES,
  ...NETWORK_CASES,
  ...SOFTWARE_CASES,
};
const real = await realFacts();

/** Checks with a test of their own: preflight-identity.test.ts. */
const SPECIAL = new Set(['hostname', 'address-here', 'address-lease', 'ssh-login']);

t.test('checks of one machine', async (t) => {
  t.notMatch(JSON.stringify(real), /secret/, 'no password in the facts');
  for (const check of await allChecks()) {
    if (check.scope !== 'host' || SPECIAL.has(check.code)) {
      continue;
    }
    const wanted = CASES[check.code];
    if (wanted === undefined) {
      t.fail(`${check.code} has no test`);
      continue;
    }
    const good = (): Facts => change(structuredClone(real), wanted.good ?? {});
    t.same(check.judge(member(good(), wanted.member), context), [], `${check.code}: passes`);
    for (const [bad, severity, message] of wanted.bad) {
      const found = check.judge(member(change(good(), bad), wanted.member), context);
      t.match(found[0], { severity, message }, `${check.code}: ${JSON.stringify(bad)}`);
      t.ok(severity === 'info' || found.every((f) => f.remedy !== undefined), `${check.code}: says what to do`);
    }
  }
});

t.test('what cannot be known is no warning', async (t) => {
  const unknown = change(structuredClone(real), {
    kernelLog: null,
    'storage.disks': [{ ...DISK, devices: [], ext4Errors: null }],
    'memory.balloonBytes': null,
    'memory.hostSwapBytes': null,
    'logs.journalMaxBytes': null,
    'logs.syslog': null,
    'limits.sysctlAtBoot': {},
  });
  for (const code of [
    'disk-errors',
    'disk-quota',
    'thin-pool',
    'clock-jumps',
    'memory-balloon',
    'log-limits',
    'sysctl-at-boot',
  ]) {
    t.same((await hostCheck(code)).judge(member(unknown), context), [], code);
  }
});

t.test('a family that the kernel lacks', async (t) => {
  const [check, real] = [await hostCheck('ipv6'), await realFacts()];
  t.match(check.judge(member(change(structuredClone(real), { 'kernel.ipv6': false })), { ...context, family: 6 }), [
    { severity: 'fail' },
  ]);
});

t.test('a taken port of our own install is no failure', async (t) => {
  const check = await hostCheck('port-taken');
  const listener = {
    port: 6443,
    address: '0.0.0.0',
    pid: 1,
    command: 'kube-apiserver',
    unit: null,
    executable: '/usr/local/bin/kube',
  };
  const own = {
    clusterId: 'x',
    cluster: 'terrarium',
    name: 'n1',
    address: '192.0.2.1',
    role: 'control-plane',
    state: 'installed',
  };
  t.same(check.judge(member(change(structuredClone(real), { listeners: [listener], 'own.node': own })), context), []);
});

t.test('every check is filed under its code', async (t) => {
  const checks = await allChecks();
  t.ok(checks.length >= 55);
  for (const check of checks) {
    t.match(check.code, /^[a-z0-9-]+$/);
  }
  t.equal(new Set(checks.map((c) => c.code)).size, checks.length);
});
