// A job in single steps, and jobs that are stopped.
import { connect, counts, refusal, say, sim } from './org.mjs';

const conn = await connect();
const rows = (n, from) => 'External_Id__c,LastName\n' + Array.from({ length: n }, (_, i) => `${from}-${i},Alder ${i}\n`).join('');
const newJob = () => conn.bulk2.createJob({ object: 'Contact', operation: 'insert' });

{
  const job = newJob();
  const seen = [];
  for (const event of ['open', 'close', 'jobComplete']) job.on(event, () => seen.push(event));
  const opened = await job.open();
  const second = conn.bulk2.job('ingest', { id: job.id });
  await job.uploadData(rows(3, 'S') + 'S-3,\n');
  say('second upload', await refusal(second.uploadData(rows(1, 'X'))));
  const before = await job.check();
  await job.close();
  await job.poll(50, 60000);
  const after = await job.check();
  const results = await job.getAllResults();
  say('steps', {
    seen, opened: [opened.state, opened.contentType, opened.lineEnding, opened.columnDelimiter, opened.apiVersion], before: before.state,
    after: [after.state, after.jobType, after.numberRecordsProcessed, after.numberRecordsFailed], ...counts(results),
  });
  say('abort of a finished job', await refusal(job.abort()));
  await job.delete();
  say('deleted', await refusal(job.check()));
}
{
  const job = newJob();
  await job.open();
  await job.uploadData(rows(2, 'A'));
  say('delete of an open job', await refusal(job.delete()));
  await job.abort();
  say('aborted before it began', { state: (await job.check()).state, poll: await refusal(job.poll(50, 1000)), ...counts(await job.getAllResults()) });
}
{
  await sim('faults', [{ match: { object: 'Contact' }, effect: { kind: 'job_stall', rows: 400, duration: '1h' } }]);
  const job = newJob();
  await job.open();
  await job.uploadData(rows(1000, 'H'));
  await job.close();
  const stuck = await refusal(job.poll(50, 1500));
  const half = await job.check();
  await job.abort();
  const results = await job.getAllResults();
  say('aborted halfway', {
    stuck: stuck.code, state: half.state, processed: half.numberRecordsProcessed, ...counts(results), columns: Object.keys(results.unprocessedRecords[0]).sort(),
  });
}
{
  const job = newJob();
  job.on('error', () => {});
  await job.open();
  await job.uploadData('LastName\r\nAlder\r\n');
  await job.close();
  say('wrong line ends', { poll: await refusal(job.poll(50, 60000)), ...counts(await job.getAllResults()) });
}
