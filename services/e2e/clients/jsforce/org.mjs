// What the scripts share: the org to which the environment points them, and the lines that they say.
import jsforce from 'jsforce';

const env = process.env;
export const url = env.ORG_URL;
export const client = { loginUrl: url, clientId: env.ORG_CLIENT_ID, clientSecret: env.ORG_CLIENT_SECRET };
export const user = { name: env.ORG_USERNAME, password: env.ORG_PASSWORD };
export const version = '66.0';

/** Says a line: the name of a step and what came of it. */
export const say = (step, values) => console.log(JSON.stringify({ step, ...values }));

/** A connection that has signed in by name and password, which is what jsforce can repeat by itself when its session ends. */
export async function connect() {
  const conn = new jsforce.Connection({ oauth2: client, version });
  await conn.login(user.name, user.password);
  return conn;
}

/** What jsforce throws, as its users see it. */
export async function refusal(promise) {
  try {
    await promise;
    return { code: 'nothing was refused' };
  } catch (err) {
    return { code: err.errorCode ?? err.name, message: err.message };
  }
}

/** Asks the simulator's control API. */
export async function sim(path, body) {
  const reply = await fetch(`${url}/sim/${path}`, body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) });
  if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
  return reply.json();
}

/** How many rows came back in each of a job's result files. */
export const counts = (results) => ({
  ok: results.successfulResults.length, failed: results.failedResults.length, unprocessed: results.unprocessedRecords.length,
});
