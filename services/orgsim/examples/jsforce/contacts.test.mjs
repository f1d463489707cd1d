// Integration tests of contacts.mjs against an org that can be broken on purpose: `npm install && npm test`.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { loadContacts } from './contacts.mjs';
import { startOrg } from './simulator.mjs';

let org, conn;
before(async () => {
  org = await startOrg();
  conn = await org.connect();
});
beforeEach(() => org.reset());
after(() => org.stop());

const people = (n) => Array.from({ length: n }, (_, i) => ({ External_Id__c: `C-${i}`, LastName: `Alder ${i}`, Email: `alder.${i}@people.example` }));

test('every contact is in the org', async () => {
  const { landed, failed, unknown } = await loadContacts(conn, people(500));
  assert.deepEqual([landed.length, failed, unknown], [500, {}, []]);
  assert.equal((await org.ask('counts')).Contact.rows, 500);
});

test('a contact that the org refuses is told with its reason, and the others land', async () => {
  const contacts = people(3);
  contacts[1].LastName = '';
  const { landed, failed } = await loadContacts(conn, contacts);
  assert.deepEqual(failed, { 'C-1': 'REQUIRED_FIELD_MISSING' });
  assert.deepEqual(landed.sort(), ['C-0', 'C-2']);
});

test('contacts that met a lock may be loaded again', async () => {
  await org.break({ where: { keys: ['C-2'] }, times_per_key: 1, effect: { kind: 'row_error', error: 'UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--' } });
  const first = await loadContacts(conn, people(5));
  assert.deepEqual(first.failed, { 'C-2': 'UNABLE_TO_LOCK_ROW' });
  const second = await loadContacts(conn, people(5).filter((contact) => contact.External_Id__c in first.failed));
  assert.deepEqual(second, { landed: ['C-2'], failed: {}, unknown: [] });
  assert.equal((await org.ask('counts')).Contact.rows, 5);
});

test('a session that ends in the middle is renewed', async () => {
  await org.break({ match: { endpoint: 'close' }, effect: { kind: 'expire_token' } });
  const { landed } = await loadContacts(conn, people(5));
  assert.equal(landed.length, 5);
});

test('an upload that is refused is an error, and leaves no open job', async () => {
  await org.break({ match: { endpoint: 'upload' }, effect: { kind: 'status', status: 503 } });
  await assert.rejects(loadContacts(conn, people(5)));
  assert.deepEqual((await org.ask('jobs')).map((job) => job.state), ['Aborted']);
  assert.equal((await org.ask('counts')).Contact.rows, 0);
});

test('a result file with rows missing is noticed', async () => {
  await org.break({ where: { keys: ['C-3'] }, effect: { kind: 'lose_rows' } });
  const { landed, unknown } = await loadContacts(conn, people(5));
  assert.deepEqual([landed.length, unknown], [4, ['C-3']]);
});
