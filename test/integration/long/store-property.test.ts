/** Ten thousand histories. */
process.env['TERRARIUM_HISTORIES'] ??= '10000';
await import('../../unit/store-property.test.ts');
