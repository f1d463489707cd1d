// Queries over REST: pages that jsforce fetches by itself, by hand, and as a stream.
import { connect, refusal, say } from './org.mjs';

const conn = await connect();
const soql = 'SELECT Id, External_Id__c FROM Contact';

const auto = await conn.query(soql, { autoFetch: true, maxFetch: 100000 });
say('autoFetch', { total: auto.totalSize, rows: auto.records.length, keys: new Set(auto.records.map((row) => row.External_Id__c)).size, done: auto.done });

const first = await conn.query(soql, { autoFetch: false });
let page = first;
const pages = [first.records.length];
while (!page.done) {
  page = await conn.queryMore(page.nextRecordsUrl, { autoFetch: false });
  pages.push(page.records.length);
}
say('by hand', { pages });

let streamed = 0;
await new Promise((resolve, reject) => {
  conn.query(soql).on('record', () => streamed++).on('end', resolve).on('error', reject).run({ autoFetch: true, maxFetch: 100000 });
});
say('streamed', { rows: streamed });

const found = await conn.sobject('Contact').find({ LastName: { $like: 'Alder 1_' } }, ['Id', 'LastName', 'Account.Name']).sort({ LastName: -1 }).limit(3);
say('find', { rows: found.map((row) => [row.LastName, row.Account?.Name ?? null]) });
say('count', { n: (await conn.query('SELECT COUNT() FROM Contact')).totalSize });

await conn.sobject('Contact').destroy(found[0].Id);
const alive = (await conn.query('SELECT COUNT() FROM Contact')).totalSize;
const all = (await conn.query('SELECT COUNT() FROM Contact', { scanAll: true })).totalSize;
say('scanAll', { alive, all });

say('no such field', await refusal(conn.query('SELECT Nickname FROM Contact')));
say('no such object', await refusal(conn.query('SELECT Id FROM Nothing__c')));
say('no query', await refusal(conn.query('SELECT FROM')));
say('bad locator', await refusal(conn.queryMore('0r8000000000000AAA-2000')));
