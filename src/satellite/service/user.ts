import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readText } from '../../../installer/node/files.ts';
import { run } from '../../../installer/node/run.ts';
import { EXIT, Failure } from '../../errors.ts';
import { SERVICE_UID, SERVICE_USER } from './paths.ts';

/**
 * Makes sure that there is the user of the service: systemd starts nothing as a number that has no name
 * (get_user_creds() of exec-invoke.c asks for it). Nothing to do where the number has a name already.
 * @param root `/`, or the root of a machine that is being prepared
 * @throws Failure `no-user`
 */
export async function addUser(root: string): Promise<void> {
  if (nameOf(root) !== undefined) {
    return;
  }
  const name = `${SERVICE_USER} ${SERVICE_UID}`;
  // sysusers.d(5); it writes user and group, locked and without a shell, and takes the locks that passwd(1) takes.
  if (existsSync('/usr/bin/systemd-sysusers')) {
    await run(['/usr/bin/systemd-sysusers', `--root=${root}`, '--inline', `u ${name} "Satellite of Terrarium" /`]);
  } else {
    await run([
      'useradd',
      '--prefix',
      root,
      '--system',
      '--uid',
      String(SERVICE_UID),
      '--user-group',
      '--no-create-home',
      '--home-dir',
      '/',
      '--shell',
      '/usr/sbin/nologin',
      SERVICE_USER,
    ]);
  }
  if (nameOf(root) === undefined) {
    throw new Failure(
      'no-user',
      `The user ${SERVICE_USER} could not be made with the number ${SERVICE_UID}, as which the satellite runs.`,
      {
        remedy:
          `Make the user ${SERVICE_USER} with the number ${SERVICE_UID} in ${join(root, 'etc/passwd')} and its group ` +
          `in ${join(root, 'etc/group')}, then run the command again.`,
        exitCode: EXIT.usage,
      },
    );
  }
}

/** Takes away what `addUser` has made; another name of the number stays. */
export async function removeUser(root: string): Promise<void> {
  if (nameOf(root) === SERVICE_USER) {
    await run(['userdel', '--prefix', root, SERVICE_USER]);
  }
  // userdel has taken the group too where login.defs says so. 6: there is none, groupdel(8).
  await run(['groupdel', '--prefix', root, SERVICE_USER], { accept: [0, 6] });
}

/** The name of the service's number, passwd(5). */
function nameOf(root: string): string | undefined {
  return readText(join(root, 'etc/passwd'))
    ?.split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields[2] === String(SERVICE_UID))?.[0];
}
