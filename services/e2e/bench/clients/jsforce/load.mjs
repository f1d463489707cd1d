// Loads files of CSV into an org by jsforce, as its manual says, and reads the results: load.mjs URL CLIENT-ID CLIENT-SECRET FILE...
// The last line of stdout is one JSON object; what its members mean stands in the package floor.
import fs from 'node:fs';
import jsforce from 'jsforce';

const [loginUrl, clientId, clientSecret, ...files] = process.argv.slice(2);
const started = performance.now();
const conn = new jsforce.Connection({ oauth2: { loginUrl, clientId, clientSecret }, version: '66.0' });
await conn.authorize({ grant_type: 'client_credentials' });
const sum = { seconds: 0, jobs: 0, landed: 0, failed: 0, downloaded: 0 };
for (const file of files) {
  const results = await conn.bulk2.loadAndWaitForResults({
    object: 'Contact', operation: 'upsert', externalIdFieldName: 'External_Id__c', lineEnding: 'LF',
    input: fs.createReadStream(file), pollInterval: 100, pollTimeout: 3600000,
  });
  sum.jobs++;
  sum.landed += results.successfulResults.length;
  sum.failed += results.failedResults.length;
}
sum.seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify(sum));
