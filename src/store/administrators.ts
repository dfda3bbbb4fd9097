import { refuse, type Tx } from './kind.ts';

/** @throws Refusal where nobody could administer users any more. */
export function keepAnAdministrator(tx: Tx): void {
  if (tx.get("SELECT 1 FROM users WHERE role = 'admin' AND disabled = 0") === undefined) {
    refuse('denied', 'This would leave no user who is an administrator and may log in.');
  }
}
