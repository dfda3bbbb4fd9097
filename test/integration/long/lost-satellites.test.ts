/** A thousand queries instead of eight, three at a time. */
process.env['TERRARIUM_QUERIES'] ??= '1000';
process.env['TERRARIUM_GROUPS'] ??= '3';
await import('../lost-satellites.test.ts');
