// Each operation of an ingest job by loadAndWaitForResults, with rows that fail.
import fs from 'node:fs';
import { connect, counts, refusal, say, sim } from './org.mjs';

const conn = await connect();
const load = (options) => conn.bulk2.loadAndWaitForResults({ object: 'Contact', pollInterval: 50, pollTimeout: 60000, ...options });
const failures = (results, key) => Object.fromEntries(results.failedResults.map((row) => [row[key], row.sf__Error]));

const inserted = await load({
  operation: 'insert',
  input: [
    { External_Id__c: 'J-1', LastName: 'Alder', FirstName: 'Ann, "A"', Email: 'alder@people.example', DoNotCall: true, Note__c: 'one\ntwo' },
    { External_Id__c: 'J-2', LastName: 'Østberg 桜', FirstName: null, Email: '', DoNotCall: false, Note__c: '' },
    { External_Id__c: 'J-3', LastName: '', FirstName: 'Nobody', Email: 'nobody@people.example', DoNotCall: false, Note__c: '' },
    { External_Id__c: 'J-4', LastName: 'Dill', FirstName: '', Email: 'not an address', DoNotCall: false, Note__c: '' },
  ],
});
const ids = Object.fromEntries(inserted.successfulResults.map((row) => [row.External_Id__c, row.sf__Id]));
say('insert', {
  ...counts(inserted), created: inserted.successfulResults.map((row) => row.sf__Created), names: inserted.successfulResults.map((row) => row.LastName).sort(),
  errors: failures(inserted, 'External_Id__c'), id: inserted.failedResults[0].sf__Id,
});

const updated = await load({
  operation: 'update',
  input: [
    { Id: ids['J-1'], FirstName: null, Score__c: 12.5 },
    { Id: '003000000000000AAA', FirstName: 'Nobody', Score__c: 1 },
  ],
});
say('update', { ...counts(updated), created: updated.successfulResults.map((row) => row.sf__Created), errors: failures(updated, 'Id') });

fs.writeFileSync('upsert.csv', 'External_Id__c;LastName;Email\r\nJ-2;Ostberg;ostberg@people.example\r\nJ-5;"Elm; the ""tree""\t";elm@people.example\r\nJ-6;;fir@people.example\r\n');
const upserted = await load({
  operation: 'upsert', externalIdFieldName: 'External_Id__c', lineEnding: 'CRLF', columnDelimiter: 'SEMICOLON', input: fs.createReadStream('upsert.csv'),
});
say('upsert', {
  ...counts(upserted), created: Object.fromEntries(upserted.successfulResults.map((row) => [row.External_Id__c, row.sf__Created])),
  errors: failures(upserted, 'External_Id__c'),
});

const byObjects = await load({
  operation: 'upsert', externalIdFieldName: 'External_Id__c',
  input: [{ External_Id__c: 'J-7', LastName: 'Gorse', Birthdate: '1990-02-03' }, { External_Id__c: 'J-8', LastName: 'Hazel', Birthdate: '3 February' }],
});
say('upsert of objects', { ...counts(byObjects), errors: failures(byObjects, 'External_Id__c') });

const removed = await load({ operation: 'delete', input: [{ Id: ids['J-2'] }] });
const again = await load({ operation: 'delete', input: `Id\n${ids['J-2']}\n` });
say('delete', { ...counts(removed), created: removed.successfulResults[0].sf__Created });
say('delete again', { ...counts(again), errors: again.failedResults.map((row) => row.sf__Error), id: again.failedResults[0].sf__Id === ids['J-2'] });

say('hardDelete refused', await refusal(load({ operation: 'hardDelete', input: [{ Id: ids['J-1'] }] })));
await sim('settings', { hard_delete: true });
say('hardDelete', counts(await load({ operation: 'hardDelete', input: [{ Id: ids['J-1'] }] })));

say('column that is none', await refusal(load({ operation: 'insert', input: [{ LastName: 'Ivy', Nickname: 'I' }] })));
say('object that is none', await refusal(load({ object: 'Nothing__c', operation: 'insert', input: [{ Name: 'Ivy' }] })));
