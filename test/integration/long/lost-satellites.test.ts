/** A thousand queries instead of twenty. */
process.env['TERRARIUM_QUERIES'] ??= '1000';
await import('../lost-satellites.test.ts');
