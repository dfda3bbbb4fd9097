/** Least length of a password, as the cloud has it. */
export const LEAST_PASSWORD = 12;
