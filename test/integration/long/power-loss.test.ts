import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { NATS_SERVER } from '../../support/bus-files.ts';
import { until } from '../../support/local-cloud.ts';
import { bootMachine, buildMachine, type VirtualMachine } from '../../support/virtual-machine.ts';

/**
 * What has been acknowledged is on the disk, not only in the memory of a kernel: an emulated machine with three
 * instances, and one that is alone, is cut off under writes, and asked at its next boot what it has.
 */
const WRITES = 300;
const BOOT_MS = 1_200_000;
const repo = join(import.meta.dirname, '../../..');
/** A line that the cut has torn is no acknowledgement that anybody has read. */
const LINE = /^(ACK|HAVE) (one|three) ([0-9A-Z]{26}) ([0-9]+)$/gm;

function told(machine: VirtualMachine, what: 'ACK' | 'HAVE', kind: 'one' | 'three'): string[] {
  return [...machine.console().matchAll(LINE)]
    .filter((m) => m[1] === what && m[2] === kind)
    .map((m) => `${m[3]} ${m[4]}`);
}

t.test('kill -9 of an emulated machine under writes', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'terrarium-power-loss-'));
  const machines: VirtualMachine[] = [];
  t.teardown(async () => {
    for (const machine of machines) {
      await machine.cut();
    }
    rmSync(dir, { recursive: true });
  });
  const boot = (): VirtualMachine => {
    const machine = bootMachine(image, join(dir, `console-${machines.length}`));
    machines.push(machine);
    return machine;
  };
  const ofRepo = Object.fromEntries(
    ['src', 'installer', 'test', 'package.json', 'node_modules'].map((name) => [`/repo/${name}`, join(repo, name)]),
  );
  mkdirSync(join(dir, 'state'));
  const image = await buildMachine(dir, {
    files: { ...ofRepo, '/bin/node': process.execPath, '/bin/nats-server': NATS_SERVER, '/state': join(dir, 'state') },
    programs: ['/bin/node', '/bin/nats-server'],
    command: 'NATS_SERVER=/bin/nats-server exec /bin/node /repo/test/support/power-loss-guest.ts',
  });

  const first = boot();
  await until(
    `${WRITES} writes to be acknowledged`,
    () => {
      if (!first.running()) {
        throw new Error(`the machine has ended by itself:\n${first.console().slice(-4_000)}`);
      }
      return told(first, 'ACK', 'three').length >= WRITES ? true : undefined;
    },
    BOOT_MS,
  );
  await sleep(Math.random() * 1_000);
  await first.cut();

  const second = boot();
  await Promise.race([second.ended, sleep(BOOT_MS, undefined, { ref: false })]);
  const said = second.console();
  t.match(
    said,
    /^END$/m,
    'the next boot comes to its end',
    said.endsWith('END\n') ? {} : { console: said.slice(-4_000) },
  );
  t.match(said, /^EQUAL$/m, 'the three have equal databases');
  for (const kind of ['one', 'three'] as const) {
    const acknowledged = told(first, 'ACK', kind);
    const have = told(second, 'HAVE', kind);
    const ids = have.map((line) => line.split(' ')[0]);
    t.ok(acknowledged.length > 0, `${kind}: ${acknowledged.length} acknowledged, ${have.length} there`);
    t.same(
      acknowledged.filter((line) => !have.includes(line)),
      [],
      `${kind}: none lost`,
    );
    t.equal(new Set(ids).size, ids.length, `${kind}: none applied twice`);
  }
});
