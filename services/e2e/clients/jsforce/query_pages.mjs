// A bulk query whose results have several pages.
import { connect, say } from './org.mjs';

const conn = await connect();
const rows = await (await conn.bulk2.query('SELECT Id FROM Contact', { pollInterval: 50, pollTimeout: 60000 })).toArray();
say('pages', { rows: rows.length });
