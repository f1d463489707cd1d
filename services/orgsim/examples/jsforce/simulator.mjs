// Starts the simulated org for a test: copy this file. BULKHEAD names the program, if `bulkhead` is not on PATH.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import jsforce from 'jsforce';

/** An org of its own on a free port. Further arguments are those of `bulkhead sim`, such as '--model', 'model.yaml'. */
export async function startOrg(...args) {
  const program = spawn(process.env.BULKHEAD ?? 'bulkhead', ['sim', '--listen', '127.0.0.1:0', '--rows-per-second', '-1', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => program.kill()); // whatever becomes of the tests
  const ended = new Promise((resolve, reject) => program.once('error', reject).once('exit', resolve));
  const { url } = await Promise.race([
    new Promise((resolve) => createInterface(program.stdout).once('line', (line) => resolve(JSON.parse(line)))),
    ended.then((code) => { throw new Error(`the simulator ended with exit code ${code}`); }),
  ]);
  return new Org(url, program, ended);
}

class Org {
  constructor(url, program, ended) {
    Object.assign(this, { url, program, ended });
  }

  /** A connection as your program makes it; only the address and the account are the simulator's. */
  async connect() {
    const conn = new jsforce.Connection({ oauth2: { loginUrl: this.url, clientId: 'bulkhead', clientSecret: 'bulkhead-dev' }, version: '66.0' });
    await conn.login('integration@bulkhead.example', 'bulkhead-dev');
    return conn;
  }

  /** Asks the control API; GET /sim/ lists what it can be asked. */
  async ask(path, body, method = body === undefined ? 'GET' : 'POST') {
    const reply = await fetch(`${this.url}/sim/${path}`, { method, body: body && JSON.stringify(body) });
    const text = await reply.text();
    if (!reply.ok) throw new Error(`${path}: ${reply.status} ${text}`);
    return reply.headers.get('content-type').startsWith('application/json') ? JSON.parse(text) : text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  /** Adds a fault; the guide of the simulator lists what can go wrong. */
  break(rule) {
    return this.ask('faults', [rule]);
  }

  /** Empties the org between tests; connections live on. */
  reset() {
    return this.ask('reset', {});
  }

  async stop() {
    this.program.kill();
    await this.ended;
  }
}
