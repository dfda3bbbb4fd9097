import { generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { rawPublicKey } from '../../src/payload/keys.ts';
import { checkCluster, checkStaticPodsShown, isReady, kubeList, type Pod } from './support/cluster.ts';
import { bootLab, eventually } from './support/lab.ts';
import { ROOT, run, terrarium } from './support/terrarium.ts';

const PORT = 8085;

/** Not the key that the terrarium under test was built with. */
const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const signing = { TERRARIUM_SIGNING_KEY: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString() };
const vendorKey = rawPublicKey(publicKey).toString('hex');

async function fetchText(url: string, body?: string): Promise<string> {
  const response = await fetch(url, {
    signal: AbortSignal.timeout(5_000),
    ...(body === undefined ? {} : { method: 'POST', body }),
  });
  if (!response.ok) {
    throw new Error(`${url} answers ${response.status}`);
  }
  return await response.text();
}

/** What it answers, once it does: its pod is new. */
const answer = (url: string): Promise<string> =>
  eventually(
    () => fetchText(url),
    (text) => text !== '',
    90_000,
  );

t.test('an application of a vendor, from its archive to an answer', async (t) => {
  const lab = await bootLab('--nodes', '1');
  t.teardown(() => lab.down());
  const [machine] = lab.machines;
  if (machine === undefined) {
    throw new Error('no machine');
  }
  const address = `http://${machine.address}:${PORT}`;
  const folder = join(lab.dir, 'guestbook');
  const bundle = join(lab.dir, 'guestbook.bundle');

  await t.test('build', async (t) => {
    mkdirSync(folder);
    cpSync(join(ROOT, 'manifests/examples/guestbook'), folder, { recursive: true });
    const image = await run([join(folder, 'build-image.sh')]);
    t.equal(image.exitCode, 0, image.exitCode === 0 ? 'its image' : image.stderr);
    const built = await terrarium(['bundle', 'build', join(folder, 'app.yaml'), '-o', bundle], { env: signing });
    t.equal(built.exitCode, 0, built.stderr);
  });

  await t.test('install from the bundle', async (t) => {
    const installed = await lab.admin(['install', '-f', lab.clusterFile, '--bundle', bundle, '--trust-key', vendorKey]);
    t.equal(installed.exitCode, 0, installed.stderr);
    t.match(installed.stdout, `  ${address}   (guestbook)`);
    t.comment(`installed in ${Math.round(installed.ms / 1000)} s`);
    await checkCluster(t, lab);
    await checkStaticPodsShown(t, lab);
  });

  await t.test('status names it', async (t) => {
    const status = await eventually(
      () => lab.admin(['status', '--json']),
      (s) => s.exitCode === 0 && s.stdout.includes(address),
      90_000,
    );
    t.equal(status.exitCode, 0, status.stderr);
    t.strictSame((JSON.parse(status.stdout) as { applications: unknown }).applications, { guestbook: [address] });
    t.match((await lab.admin(['status'])).stdout, address);
  });

  await t.test('it answers, and keeps what it was given when its pod goes', async (t) => {
    t.match(await answer(`${address}/`), '<h1>Guestbook</h1>');
    t.match(
      await fetchText(`${address}/cgi-bin/notes`, 'kept over the death of a pod'),
      'kept over the death of a pod',
    );
    const [before] = await kubeList<Pod>(lab, 'pods', '-n', 'guestbook');
    const deleted = await lab.admin(['kubectl', 'delete', 'pod', '-n', 'guestbook', before?.metadata.name ?? '']);
    t.equal(deleted.exitCode, 0, deleted.stderr);
    const pods = await eventually(
      () => kubeList<Pod>(lab, 'pods', '-n', 'guestbook'),
      (list) => list.length === 1 && list.every((p) => p.metadata.name !== before?.metadata.name && isReady(p)),
      180_000,
    );
    t.not(pods[0]?.metadata.name, before?.metadata.name, 'another pod');
    t.match(await answer(`${address}/cgi-bin/notes`), 'kept over the death of a pod');
  });

  await t.test(
    "the node's own copy carries the application: what is deleted comes back by the same command",
    async (t) => {
      const verified = await lab.exec(machine.name, 'terrarium', 'bundle', 'inspect', '--files');
      t.match(verified.stdout, 'app/guestbook/app.json');
      t.match(verified.stdout, `signed by ${vendorKey}\n`, "and trusts the vendor's key");
      const deleted = await lab.admin(['kubectl', 'delete', 'deployment', '-n', 'guestbook', 'guestbook']);
      t.equal(deleted.exitCode, 0, deleted.stderr);
      const executable = join(lab.dir, 'guestbook-installer');
      const built = await terrarium(['bundle', 'build', join(folder, 'app.yaml'), '-o', executable], { env: signing });
      writeFileSync(join(lab.dir, 'trusted-keys'), `${vendorKey}\n`, { mode: 0o600 });
      t.equal(built.exitCode, 0, built.stderr);
      const again = await run([executable, 'install', '-f', lab.clusterFile], {
        env: { TERRARIUM_CONFIG: join(lab.dir, 'home/config.yaml'), HOME: join(lab.dir, 'home') },
      });
      t.equal(again.exitCode, 0, again.stderr);
      t.match(again.stdout, `  ${address}   (guestbook)`);
      t.match(await answer(`${address}/cgi-bin/notes`), 'kept over the death of a pod');
    },
  );
});
