import { copyFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { SatelliteInfo } from '../../src/api/satellites.ts';
import {
  SERVICE_DATA,
  SERVICE_PREFIX,
  SERVICE_UID,
  SERVICE_UNIT,
  SERVICE_USER,
} from '../../src/satellite/service/paths.ts';
import { hostileStatements } from '../support/hostile-statements.ts';
import { bootLab, eventually, type Lab } from './support/lab.ts';
import { TERRARIUM, type Ended } from './support/terrarium.ts';

/**
 * A cluster of one machine, whose satellite is a pod, and a machine that is no node, whose satellite is a service of
 * its systemd.
 */
let lab: Lab;
let pod: string;
let service: string;
const STOLEN = '/tmp/stolen';

t.before(async () => {
  lab = await bootLab('--nodes', '2');
  const [a, b] = lab.machines;
  if (a === undefined || b === undefined) {
    throw new Error('two machines');
  }
  [pod, service] = [a.name, b.name];
  copyFileSync(TERRARIUM, `/run/terrarium-lab/${pod}/root/root/terrarium`);
  copyFileSync(TERRARIUM, `/run/terrarium-lab/${service}/root/root/terrarium`);
  const installed = await on(pod, 'env', 'HOME=/root', '/root/terrarium', 'install');
  if (installed.exitCode !== 0) {
    throw new Error(installed.stderr + installed.stdout);
  }
});
t.teardown(() => lab.down());

const on = (machine: string, ...argv: string[]): Promise<Ended> => lab.exec(machine, ...argv);
/** As the administrator, who works on the node. */
const admin = (...args: string[]): Promise<Ended> => on(pod, 'env', 'HOME=/root', '/root/terrarium', ...args);

async function satellite(id: string): Promise<SatelliteInfo | undefined> {
  const { exitCode, stdout } = await admin('get', 'satellites', id, '-o', 'json');
  return exitCode === 0 ? (JSON.parse(stdout) as SatelliteInfo) : undefined;
}
const healthy = async (id: string): Promise<void> => {
  const info = await eventually(
    () => satellite(id),
    (found) => found?.state === 'healthy',
    120_000,
  );
  if (info?.state !== 'healthy') {
    throw new Error(`${id} is ${info?.state ?? 'unknown'}`);
  }
};

/** By the two lines that `satellite token` gives. */
async function install(...flags: string[]): Promise<Ended> {
  const made = await admin('satellite', 'token', '--tag', 'kind=service');
  const command = made.stdout.trim().replace('sudo terrarium', '/root/terrarium');
  return on(service, 'sh', '-c', [command, ...flags].join(' '));
}

t.test('the printed command makes a machine a satellite, confined by systemd', async (t) => {
  const installed = await install();
  t.equal(installed.exitCode, 0, installed.stderr);
  t.match(installed.stdout, /The satellite runs and is heard by \S+:\d+/);
  t.comment(`installed and heard in ${(installed.ms / 1000).toFixed(1)} s`);
  await healthy(service);
  t.match(await satellite(service), { tags: { kind: 'service' }, version: /^\d/ });
  const shown = await on(service, 'systemctl', 'show', SERVICE_UNIT, '-p', 'MainPID', '--value');
  const status = await on(service, 'cat', `/proc/${shown.stdout.trim()}/status`);
  t.match(status.stdout, new RegExp(`^Uid:\\s+${SERVICE_UID}\\s+${SERVICE_UID}\\s`, 'm'));
  t.match(status.stdout, /^CapEff:\s+0+$/m);
  t.match(status.stdout, /^NoNewPrivs:\s+1$/m);
  const rows = await admin('query', '--json', '--tag', 'kind=service', 'select name from processes where pid = 1');
  t.match(rows.stdout, '{"name":"systemd"}', "it sees the machine's processes");
});

t.test(
  'eight hostile statements at once, on both: stopped or refused; both are heard all the time; a normal query ' +
    'answers after',
  async (t) => {
    const ids = [pod, service];
    const restarts = await on(service, 'systemctl', 'show', SERVICE_UNIT, '-p', 'NRestarts,MainPID');
    const seen = new Map<string, string[]>(ids.map((id) => [id, []]));
    let watching = true;
    const watch = Promise.all(
      ids.map(async (id) => {
        for (; watching; await sleep(500)) {
          seen.get(id)?.push((await satellite(id))?.state ?? 'not told');
        }
      }),
    );
    const answers = await Promise.all(
      hostileStatements(STOLEN).map(async ([what, sql, expected]) => ({
        what,
        expected,
        ended: await admin('query', '--json', '--timeout', '4', sql),
      })),
    );
    const asked = Date.now();
    const normal = await admin('query', '--json', 'select count(*) n from memory');
    t.comment(`a normal query, with its process, after ${Date.now() - asked} ms`);
    const later = await Promise.all(
      ids.map((id) =>
        eventually(
          () => satellite(id),
          (found) => Date.parse(found?.lastSeen ?? '') > asked,
          60_000,
        ),
      ),
    );
    watching = false;
    await watch;
    for (const { what, expected, ended } of answers) {
      const errors = new Map(
        ended.stdout
          .split('\n')
          .filter((l) => l.includes('"error":'))
          .map((l) => JSON.parse(l) as { satellite: string; error: { code: string } })
          .map((l) => [l.satellite, l.error.code]),
      );
      for (const id of ids) {
        t.match(errors.get(id) ?? 'rows', expected, `${what} on ${id}`);
      }
    }
    for (const id of ids) {
      t.match(normal.stdout, `{"satellite":"${id}","row":{"n":1}}`);
    }
    // Each look takes as long as a command of a busy machine; whether one heartbeat was late is for
    // test/integration/hostile-queries.test.ts.
    for (const [id, states] of seen) {
      t.strictSame([...new Set(states)], ['healthy'], `${id} was heard all the time, in ${states.length} looks`);
    }
    for (const info of later) {
      t.ok(Date.parse(info?.lastSeen ?? '') > asked, `${info?.id} is heard after them`);
    }
    t.equal(
      (await on(service, 'systemctl', 'show', SERVICE_UNIT, '-p', 'NRestarts,MainPID')).stdout,
      restarts.stdout,
      'the same process',
    );
    for (const machine of ids) {
      t.not((await on(machine, 'ls', STOLEN)).exitCode, 0, `no file was written on ${machine}`);
    }
  },
);

t.test('it comes back after a kill, and after the machine has been without power', async (t) => {
  const before = await eventually(
    () => satellite(service),
    (found) => found?.startedAt !== undefined,
    60_000,
  );
  t.ok(before?.startedAt);
  await on(service, 'systemctl', 'kill', '--signal=SIGKILL', SERVICE_UNIT);
  const again = await eventually(
    () => satellite(service),
    (found) => found?.startedAt !== before?.startedAt && found?.state === 'healthy',
    120_000,
  );
  t.not(again?.startedAt, before?.startedAt, 'another process');
  t.equal(again?.state, 'healthy');
  for (const what of ['stop', 'start']) {
    t.equal((await lab.admin(['lab', what, service])).exitCode, 0);
  }
  const booted = await eventually(
    () => satellite(service),
    (found) => found?.startedAt !== again?.startedAt && found?.state === 'healthy',
    180_000,
  );
  t.not(booted?.startedAt, again?.startedAt, 'after the restart of the machine');
});

t.test('revoked, it is refused until it enrols with another key; uninstalled, nothing is left', async (t) => {
  t.equal((await admin('satellite', 'revoke', service)).exitCode, 0);
  t.equal((await satellite(service))?.state, 'revoked');
  const refused = await admin('query', '--json', '--satellite', service, 'select 1 n');
  t.not(refused.exitCode, 0);
  const renewed = await install('--new-key');
  t.equal(renewed.exitCode, 0, renewed.stderr);
  await healthy(service);
  const gone = await on(service, '/root/terrarium', 'satellite', 'uninstall');
  t.equal(gone.exitCode, 0, gone.stderr);
  t.equal((await on(service, 'systemctl', 'cat', SERVICE_UNIT)).exitCode, 1);
  t.not((await on(service, 'ls', '-d', SERVICE_PREFIX, SERVICE_DATA)).exitCode, 0);
  t.not((await on(service, 'getent', 'passwd', SERVICE_USER)).exitCode, 0, 'its user too');
  const lost = await eventually(
    () => satellite(service),
    (found) => found?.state === 'unreachable',
    120_000,
  );
  t.equal(lost?.state, 'unreachable');
});
