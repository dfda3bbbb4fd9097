import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';
import type { Host } from '../../installer/hosts/host.ts';
import { openLocal } from '../../installer/hosts/local.ts';
import { stage, unstage } from '../../installer/hosts/stage.ts';

const dir = mkdtempSync(join(tmpdir(), 'hosts-local-'));
t.teardown(() => rmSync(dir, { recursive: true, force: true }));
const host = openLocal('this', '127.0.0.1');

t.test('programs run with umask and PATH of our own', async (t) => {
  const before = process.umask(0o077);
  t.teardown(() => process.umask(before));
  const result = await host.run(['sh', '-c', 'umask; echo $PATH; pwd; cat'], { input: 'input' });
  t.match(result.stdout, /^0022\n\/usr\/local\/sbin:.*\/usr\/sbin.*\n\/\ninput$/);
  t.match(await host.run(['sh', '-c', 'exit 3']), { exitCode: 3 });
  await t.rejects(host.run(['sleep', '20'], { timeoutMs: 100 }), {
    name: 'Failure',
    message: /did not end within 0.1 s/,
  });
});

t.test('the executable is staged once, by its content, and removed again', async (t) => {
  const program = join(dir, 'program');
  writeFileSync(program, '#!/bin/sh\necho staged\n#and a payload that is not needed');
  const end = '#!/bin/sh\necho staged\n'.length;
  const staged = await stage([host], program, { end });
  const path = staged.get(host) ?? '';
  t.equal((await host.run([path])).stdout, 'staged\n');
  t.equal(readFileSync(path).length, end);
  t.equal(statSync(dirname(path)).mode & 0o777, 0o700);
  const { mtimeMs } = statSync(path);
  const again = await stage([host], program, { end, onProgress: () => t.fail('copied again') });
  t.equal(again.get(host), path);
  t.equal(statSync(path).mtimeMs, mtimeMs);
  writeFileSync(path, '#!/bin/sh\necho altered\n');
  const repaired = await stage([host], program, { end });
  t.equal((await host.run([repaired.get(host) ?? ''])).stdout, 'staged\n', 'an altered copy is replaced');
  const broken: Host = { ...host, upload: () => Promise.reject(new Error('no upload')) };
  await t.rejects(stage([broken, host], `${program}`, {}), { message: 'no upload' });
  t.same(
    readdirSync(dirname(dirname(path))).filter(
      (n) =>
        n.startsWith('.terrarium-') &&
        existsSync(join(dirname(dirname(path)), n, 'terrarium')) &&
        readFileSync(join(dirname(dirname(path)), n, 'terrarium')).equals(readFileSync(program)),
    ),
    [],
    'a failure leaves nothing behind',
  );
  await unstage(repaired);
  t.notOk(existsSync(dirname(path)));
});
