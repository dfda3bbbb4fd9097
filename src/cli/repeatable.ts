/** For an option that may be given several times. */
export const repeatable = (value: string, before: string[] = []): string[] => [...before, value];
