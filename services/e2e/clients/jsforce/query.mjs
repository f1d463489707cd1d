// Bulk queries: every row in pages, deleted ones too, and queries that are refused.
import { connect, refusal, say } from './org.mjs';

const conn = await connect();
const options = { pollInterval: 50, pollTimeout: 60000 };
const all = async (soql, more = {}) => (await conn.bulk2.query(soql, { ...options, ...more })).toArray();

const contacts = await all('SELECT Id, External_Id__c, LastName, Account.Name FROM Contact');
const keys = new Set(contacts.map((row) => row.External_Id__c));
const one = contacts.find((row) => row.External_Id__c === 'Q-7');
say('query', { rows: contacts.length, keys: keys.size, columns: Object.keys(one).sort(), one: [one.LastName, one['Account.Name'], one.Id.length] });

const few = await all("SELECT External_Id__c FROM Contact WHERE LastName = 'nobody at all'");
say('empty', { rows: few.length });

await conn.sobject('Contact').destroy(one.Id);
const gone = await all("SELECT External_Id__c, IsDeleted FROM Contact WHERE IsDeleted = true", { scanAll: true });
say('queryAll', { gone: gone.map((row) => [row.External_Id__c, row.IsDeleted]).sort() });

say('unknown field', await refusal(all('SELECT Nickname FROM Contact')));
say('aggregate', await refusal(all('SELECT COUNT(Id) FROM Contact GROUP BY LastName')));
