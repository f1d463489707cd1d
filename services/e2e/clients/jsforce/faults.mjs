// What jsforce does by itself when sessions end, the org refuses, and connections break.
import jsforce from 'jsforce';
import { client, connect, counts, refusal, say, sim, url, version } from './org.mjs';

const conn = await connect();
const rows = async () => (await conn.query('SELECT Id FROM Contact')).totalSize;

await sim('tokens/expire', {});
say('session ended', { rows: await rows() });

await sim('tokens/expire', {});
const results = await conn.bulk2.loadAndWaitForResults({
  object: 'Contact', operation: 'insert', input: [{ LastName: 'Alder', External_Id__c: 'F-1' }], pollInterval: 50, pollTimeout: 60000,
});
say('session ended before a job', counts(results));

await sim('tokens/restrict', {});
say('session of the wrong sort', await refusal(rows()));
const fresh = await connect();

const only = new jsforce.Connection({ oauth2: client, version });
await only.authorize({ grant_type: 'client_credentials' });
await sim('tokens/expire', {});
say('session that cannot be renewed', await refusal(only.query('SELECT Id FROM Contact')));
const renewing = new jsforce.Connection({
  instanceUrl: url, accessToken: 'ended long ago', version,
  refreshFn: async (connection, done) => {
    const other = new jsforce.Connection({ oauth2: client, version });
    await other.authorize({ grant_type: 'client_credentials' });
    done(null, other.accessToken);
  },
});
say('session renewed by its user', { rows: (await renewing.query('SELECT Id FROM Contact')).totalSize });

await sim('faults', [{ match: { endpoint: 'query' }, times: 2, effect: { kind: 'status', status: 503 } }]);
say('busy twice', { rows: (await fresh.query('SELECT Id FROM Contact')).totalSize });

await sim('faults', [{ match: { endpoint: 'query' }, times: 2, effect: { kind: 'drop_before', reset: true } }]);
say('connection reset twice', { rows: (await fresh.query('SELECT Id FROM Contact')).totalSize });

await sim('faults', [{ match: { endpoint: 'query' }, effect: { kind: 'drop_before' } }]);
say('connection closed', { code: (await refusal(fresh.query('SELECT Id FROM Contact'))).code });

await sim('faults', [{ match: { endpoint: 'record', method: 'POST' }, effect: { kind: 'status', status: 503, body: '<html>busy</html>' } }]);
say('busy while it creates', { code: (await refusal(fresh.sobject('Contact').create({ LastName: 'Birch', External_Id__c: 'F-2' }))).code });

await sim('faults', [{ match: { endpoint: 'record', method: 'POST' }, effect: { kind: 'drop_after' } }]);
say('reply of a create lost', { code: (await refusal(fresh.sobject('Contact').create({ LastName: 'Cedar', External_Id__c: 'F-3' }))).code });

await sim('faults', [{ match: { endpoint: 'limits' }, effect: { kind: 'quota' } }]);
say('used up', await refusal(fresh.limits()));

await sim('faults', [{ match: { endpoint: 'success' }, effect: { kind: 'truncate', bytes: 40 } }]);
say('result file cut short', counts(await fresh.bulk2.loadAndWaitForResults({
  object: 'Contact', operation: 'insert', input: [{ LastName: 'Dill', External_Id__c: 'F-4' }], pollInterval: 50, pollTimeout: 60000,
})));
