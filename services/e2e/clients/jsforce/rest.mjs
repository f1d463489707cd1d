// Records one by one and in collections, and what an org says of itself.
import { connect, refusal, say } from './org.mjs';

const conn = await connect();
const contact = conn.sobject('Contact');
const item = (result) => (result.success ? 'saved' : `${result.errors[0].statusCode}: ${result.errors[0].message}`);
const tally = (results) => results.reduce((sum, result) => ({ ...sum, [item(result)]: (sum[item(result)] ?? 0) + 1 }), {});

const made = await contact.create({ LastName: 'Alder', External_Id__c: 'R-1', DoNotCall: true, Score__c: 1.5, Birthdate: '1990-02-03' });
const row = await contact.retrieve(made.id);
say('create', {
  success: made.success, id: made.id.length, row: [row.LastName, row.FirstName, row.DoNotCall, row.Score__c, row.Birthdate, row.attributes.type], by: row.CreatedById === conn.userInfo.id,
});
say('create without a name', await refusal(contact.create({ FirstName: 'Ann' })));
say('create twice', await refusal(contact.create({ LastName: 'Alder', External_Id__c: 'R-1' })));

await contact.update({ Id: made.id, FirstName: 'Ann', Score__c: null });
const changed = await contact.retrieve(made.id, { fields: ['FirstName', 'Score__c', 'LastName'] });
say('update', { row: [changed.FirstName, changed.Score__c, changed.LastName] });
say('update of nothing', await refusal(contact.update({ Id: '003000000000000AAA', FirstName: 'Ann' })));

const renamed = await contact.upsert({ External_Id__c: 'R-1', LastName: 'Birch' }, 'External_Id__c');
const added = await contact.upsert({ External_Id__c: 'R-2', LastName: 'Cedar' }, 'External_Id__c');
say('upsert', { renamed: [renamed.success, renamed.created, renamed.id === made.id], added: [added.success, added.created] });
const account = conn.sobject('Account');
await account.create([{ Name: 'One', Group__c: 'both' }, { Name: 'Two', Group__c: 'both' }]);
const several = await refusal(account.upsert({ Group__c: 'both', Phone: '+1 555 0100' }, 'Group__c'));
say('upsert of several', several);

await contact.destroy(added.id);
say('delete', await refusal(contact.retrieve(added.id)));
say('delete again', await refusal(contact.destroy(added.id)));

const many = Array.from({ length: 450 }, (_, i) => ({ External_Id__c: `R-many-${i}`, LastName: i % 100 === 7 ? '' : `Dill ${i}` }));
say('too many at once', await refusal(contact.create(many)));
const created = await contact.create(many, { allowRecursive: true });
const ids = created.filter((result) => result.success).map((result) => result.id);
say('collection', tally(created));
say('all or none', tally(await contact.create([{ LastName: 'Elm' }, { FirstName: 'Nobody' }], { allOrNone: true })));
say('collection update', tally(await contact.update(ids.slice(0, 250).map((Id) => ({ Id, FirstName: 'Dee' })), { allowRecursive: true })));
const read = await contact.retrieve([ids[0], '003000000000000AAA', ids[1]], { fields: ['FirstName', 'LastName'] });
say('collection read', { rows: read.map((row) => row && [row.FirstName, row.LastName]) });
say('collection upsert', tally(await contact.upsert([{ External_Id__c: 'R-1', LastName: 'Fir' }, { External_Id__c: 'R-9', LastName: '' }], 'External_Id__c')));
say('collection delete', tally(await contact.destroy(ids.slice(0, 201), { allowRecursive: true })));

const shape = await contact.describe();
const field = (name) => shape.fields.find((f) => f.name === name);
say('describe', {
  object: [shape.name, shape.label, shape.keyPrefix, shape.createable, shape.queryable],
  key: [field('External_Id__c').externalId, field('External_Id__c').unique, field('External_Id__c').idLookup],
  parent: [field('AccountId').referenceTo, field('AccountId').relationshipName],
  name: [field('LastName').nillable, field('LastName').length], number: [field('Score__c').precision, field('Score__c').scale],
});
say('describe of nothing', await refusal(conn.describe('Nothing__c')));
say('describeGlobal', { objects: (await conn.describeGlobal()).sobjects.map((o) => o.name).sort() });
const limits = await conn.limits();
say('limits', { max: limits.DailyApiRequests.Max, counted: conn.limitInfo.apiUsage.limit === limits.DailyApiRequests.Max && conn.limitInfo.apiUsage.used > 20 });
