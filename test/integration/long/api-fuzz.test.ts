/** Five hundred inputs of each kind for each route and role. */
process.env['TERRARIUM_FUZZ'] ??= '500';
await import('../api-fuzz.test.ts');
