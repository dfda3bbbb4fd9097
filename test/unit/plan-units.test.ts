import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  coordinatorArgv,
  executorArgv,
  startCoordinator,
  startExecutor,
  unitState,
  type Run,
} from '../../installer/plan/units.ts';

const options = {
  executable: '/opt/terrarium/current/bin/terrarium',
  operation: 'install-0badcafe',
  data: '/var/lib/terrarium',
};

/** systemd as far as it is asked here: `show` answers what is given, in turn. */
function systemd(...shown: string[]): { run: Run; ran: string[][] } {
  const ran: string[][] = [];
  return {
    ran,
    run: async (argv) => {
      ran.push(argv);
      const stdout = argv[1] === 'show' ? ((shown.length > 1 ? shown.shift() : shown[0]) ?? '') : '';
      return { exitCode: 0, stdout, stderr: '' };
    },
  };
}

t.test('the exact commands', async (t) => {
  t.same(executorArgv(options), [
    'systemd-run',
    '--unit=terrarium-executor.service',
    '--description=Terrarium executor of install-0badcafe',
    '--collect',
    '--quiet',
    '--property=Type=exec',
    '--property=UMask=0022',
    '--property=KillMode=mixed',
    '--property=TimeoutStopSec=10',
    '--property=Restart=on-failure',
    '--property=RestartSec=1',
    '--property=StartLimitIntervalSec=300',
    '--property=StartLimitBurst=20',
    '--property=RestartPreventExitStatus=10',
    '--setenv=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    '/opt/terrarium/current/bin/terrarium',
    'executor',
    '--operation',
    'install-0badcafe',
    '--config',
    '/var/lib/terrarium/operations/install-0badcafe/executor.json',
  ]);
  t.same(coordinatorArgv(options).slice(-5), [
    'coordinator',
    '--operation',
    'install-0badcafe',
    '--data',
    '/var/lib/terrarium',
  ]);
});

t.test('what is not there is started, what is there is left', async (t) => {
  const none = systemd('ActiveState=inactive\nDescription=terrarium-executor.service\n');
  t.equal(await startExecutor(options, none.run), 'started');
  t.same(none.ran.at(-1), executorArgv(options));
  for (const state of ['active', 'activating']) {
    const there = systemd(`ActiveState=${state}\nDescription=Terrarium executor of install-0badcafe\n`);
    t.equal(await startExecutor(options, there.run), 'running');
    t.equal(there.ran.length, 1);
  }
});

t.test('another operation is named', async (t) => {
  const other = systemd('ActiveState=active\nDescription=Terrarium coordinator of uninstall-12345678\n');
  await t.rejects(startCoordinator(options, other.run), {
    code: 'operation-running',
    message: /uninstall-12345678/,
    remedy: /systemctl stop terrarium-coordinator.service/,
  });
  t.equal(other.ran.length, 1);
});

t.test('one that is ending is waited for, a failed one is cleared', async (t) => {
  const ending = systemd('ActiveState=deactivating\nDescription=x\n', 'ActiveState=failed\nDescription=x\n');
  t.equal(await startExecutor(options, ending.run), 'started');
  t.same(
    ending.ran.map((argv) => argv.slice(0, 2).join(' ')),
    ['systemctl show', 'systemctl show', 'systemctl reset-failed', 'systemd-run --unit=terrarium-executor.service'],
  );
});

t.test('before a coordinator starts, the events of the run before are put aside', async (t) => {
  const data = t.testdir({ operations: { 'install-0badcafe': { 'events.jsonl': '{"type":"end","ok":false}\n' } } });
  await startCoordinator({ ...options, data }, systemd('ActiveState=inactive\n').run);
  t.throws(() => writeFileSync(join(data, 'operations/install-0badcafe/events.jsonl'), '', { flag: 'r+' }), {
    code: 'ENOENT',
  });
});

t.test('no systemd, no start: sentences', async (t) => {
  const failing =
    (which: string): Run =>
    async (argv) => ({
      exitCode: argv[0] === which ? 1 : 0,
      stdout: 'ActiveState=inactive\n',
      stderr: 'Failed to connect to bus\nmore',
    });
  await t.rejects(unitState('x.service', failing('systemctl')), {
    code: 'no-systemd',
    message: /Failed to connect to bus\.$/,
  });
  await t.rejects(startExecutor(options, failing('systemd-run')), {
    code: 'unit-start',
    message: /Failed to connect to bus\.$/,
  });
});

t.test('a coordinator that has told the end is waited for, then started anew', async (t) => {
  const data = t.testdir({ operations: { 'install-0badcafe': { 'events.jsonl': '{"type":"end","ok":false}\n' } } });
  const ending = systemd(
    'ActiveState=active\nDescription=Terrarium coordinator of install-0badcafe\n',
    'ActiveState=inactive\n',
  );
  t.equal(await startCoordinator({ ...options, data }, ending.run), 'started');
});
