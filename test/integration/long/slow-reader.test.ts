/** 200 MB instead of 24. */
process.env['TERRARIUM_SLOW_MB'] ??= '200';
await import('../slow-reader.test.ts');
