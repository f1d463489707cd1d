// An upload that the org refuses once: what jsforce sends the second time, and what it tells its user.
import fs from 'node:fs';
import { connect, counts, refusal, say, sim } from './org.mjs';

const conn = await connect();
const rows = [{ LastName: 'Alder', External_Id__c: 'U-1' }, { LastName: 'Birch', External_Id__c: 'U-2' }];
const text = 'LastName,External_Id__c\nAlder,U-1\nBirch,U-2\n';
fs.writeFileSync('upload.csv', text);

for (const [kind, input] of Object.entries({ rows, text, file: fs.createReadStream('upload.csv') })) {
  await sim('faults', [{ match: { endpoint: 'upload' }, effect: { kind: 'status', status: 503 } }]);
  const told = {};
  const why = await refusal((async () => {
    Object.assign(told, counts(await conn.bulk2.loadAndWaitForResults({ object: 'Contact', operation: 'insert', input, pollInterval: 50, pollTimeout: 60000 })));
  })());
  say(kind, { told, why });
}
