import { Failure } from '../../../src/errors.ts';

/** The Failure that a promise ends with; anything else is thrown. */
export async function failure(promise: Promise<unknown>): Promise<Failure> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Failure) {
      return error;
    }
    throw error;
  }
  throw new Error('nothing failed');
}
