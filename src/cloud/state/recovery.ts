import { SCOPES } from '../../api/access.ts';
import type { Replica } from '../../store/replica.ts';
import type { Credentials } from '../auth/credentials.ts';
import { one, tokenById, userByName } from './read.ts';
import type { State } from './state.ts';

export const ADMIN = 'admin';
/** The command line's token, as long as nobody deletes it. */
const CLI_TOKEN = 'cli';
const DAY_MS = 24 * 3_600_000;
const TOKEN_MS = 365 * DAY_MS;
const RENEW_MS = 180 * DAY_MS;
const AGAIN_MS = 2_000;

/**
 * Brings the Secret's credentials into the state: the first administrator and the command line's token where there is
 * no user yet, and a password that was set anew by root on a node. The command decides itself whether it is anything
 * new (`user.recover`), so that all instances may do this at once; what is looked up here only saves the write.
 */
export interface Recovery {
  /** There may be something to do: other credentials, another replica. */
  check(): void;
  /** Whether what is in the Secret is still to be brought in, so that who knows it may not be able to log in. */
  pending(): boolean;
  stop(): void;
}

export interface RecoveryOptions {
  state: State;
  credentials(): Credentials | undefined;
  self: string;
  log(line: string): void;
  now?: () => number;
}

type Bringing = Pick<RecoveryOptions, 'state' | 'credentials' | 'log'> & { actor: string; now: () => number };

export function createRecovery(options: RecoveryOptions): Recovery {
  const { state, log } = options;
  const now = options.now ?? Date.now;
  let stopped = false;
  let running = false;
  let again = false;
  let done = false;
  let timer: NodeJS.Timeout | undefined;

  function check(): void {
    again = true;
    done = false;
    if (running || stopped) {
      return;
    }
    running = true;
    void run();
  }
  async function run(): Promise<void> {
    let unfinished = false;
    while (again && !stopped) {
      again = false;
      unfinished = await bring({ ...options, actor: `cloud/${options.self}`, now }).catch((error: Error) => {
        log(`cloud: the Secret's credentials were not brought into the state: ${error.message}`);
        return true;
      });
    }
    running = false;
    done = !unfinished;
    clearTimeout(timer);
    // A day, for the token's end.
    if (!stopped) {
      timer = setTimeout(check, unfinished ? AGAIN_MS : DAY_MS);
    }
  }

  const end = state.onChange((change) => {
    if (change.type === 'reset') {
      check();
    }
  });
  return {
    check,
    pending: () => options.credentials() !== undefined && !done,
    stop() {
      stopped = true;
      clearTimeout(timer);
      end();
    },
  };
}

function isNew(replica: Replica, { passwordAt }: Credentials): boolean {
  if (one(replica.db, 'SELECT 1 FROM users') === undefined) {
    return true;
  }
  const taken = one<{ at: number }>(replica.db, 'SELECT at FROM recoveries WHERE user = ?', ADMIN)?.at ?? 0;
  return passwordAt > Math.max(taken, userByName(replica.db, ADMIN)?.password_at ?? 0);
}

/** Brings the credentials into the state, if they are new. @returns whether it has to be tried again. */
async function bring({ state, credentials: current, log, actor, now }: Bringing): Promise<boolean> {
  const credentials = current();
  const replica = state.current();
  if (credentials === undefined) {
    return false;
  }
  if (replica === undefined || replica.status().state !== 'ready') {
    return true;
  }
  if (isNew(replica, credentials)) {
    const token = {
      id: CLI_TOKEN,
      name: 'terrarium command line',
      hash: credentials.apiTokenHash,
      scope: [...SCOPES],
      expiresAt: now() + TOKEN_MS,
    };
    const { result } = await replica.propose({
      kind: 'user.recover',
      actor,
      args: { name: ADMIN, passwordHash: credentials.adminPasswordHash, at: credentials.passwordAt, token },
    });
    // Refused where another instance was first, whose entry this replica has applied by now.
    if (!result.ok) {
      return isNew(replica, credentials);
    }
    log(`cloud: the password of ${ADMIN} in the Secret was taken`);
  }
  const token = tokenById(replica.db, CLI_TOKEN);
  if (token !== undefined && token.hash === credentials.apiTokenHash && token.expires_at - now() < RENEW_MS) {
    await replica.propose({ kind: 'token.extend', actor, args: { id: CLI_TOKEN, expiresAt: now() + TOKEN_MS } });
  }
  return false;
}
