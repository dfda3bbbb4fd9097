import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { PAUSE_FILE } from '../../installer/lab/names.ts';
import { planMachines, type LabOptions } from '../../installer/lab/plan.ts';
import { pausedLab, writePausedLab, type LabState } from '../../installer/lab/state.ts';
import { checkFolder } from '../../installer/lab/up.ts';

function lab(dir: string, change: Partial<LabOptions> = {}): LabState {
  const options: LabOptions = {
    nodes: 2,
    dir,
    diskGiB: 20,
    mtu: undefined,
    blackHole: undefined,
    route: true,
    dns: true,
    ipv6Only: false,
    umask: undefined,
    hostnameCase: false,
    ...change,
  };
  return { options, machines: planMachines(options) };
}

t.test('a paused lab is read as it was written', async (t) => {
  for (const change of [
    {},
    { mtu: 1400, umask: '077' },
    { ipv6Only: true, hostnameCase: true, dns: false },
    { blackHole: 1400, nodes: 5 },
  ] satisfies Partial<LabOptions>[]) {
    const dir = t.testdir();
    t.equal(pausedLab(dir), undefined);
    const state = lab(dir, change);
    await writePausedLab(state);
    t.same(pausedLab(dir), state);
    t.same(pausedLab(`${dir}/`), state, 'however its folder is written');
  }
});

t.test('what does not describe a lab is refused, and one that was moved', async (t) => {
  const dir = t.testdir({ at: {} });
  const here = join(dir, 'at');
  await writePausedLab(lab(here));
  const whole = readFileSync(join(here, PAUSE_FILE), 'utf8');
  renameSync(here, join(dir, 'elsewhere'));
  t.throws(() => pausedLab(join(dir, 'elsewhere')), { code: 'lab-moved', remedy: `Move it back to ${here}.` });
  mkdirSync(here);
  for (const broken of [
    whole.slice(0, 100),
    '{}',
    '[]',
    whole.replace('"node-a"', '"../../etc"'),
    whole.replace(/"machines":\[.*\]/, '"machines":[]'),
  ]) {
    writeFileSync(join(here, PAUSE_FILE), broken);
    t.throws(() => pausedLab(here), { code: 'lab-pause-unreadable' }, broken);
  }
});

t.test('lab up keeps off the folder of a paused lab and names both ways on', async (t) => {
  const dir = t.testdir();
  await checkFolder(dir);
  await writePausedLab(lab(dir));
  await t.rejects(checkFolder(dir), {
    code: 'lab-paused',
    message: `${dir} holds a paused lab.`,
    remedy: `\`terrarium lab resume --dir ${dir}\` boots it again; \`terrarium lab down --dir ${dir}\` removes it.`,
    exitCode: 2,
  });
});
