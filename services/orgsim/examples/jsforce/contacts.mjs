// The program under test: it loads contacts by a bulk job and says what became of each.

/**
 * Upserts contacts by External_Id__c. Every contact ends in exactly one of the lists of keys: landed, or failed with its reason. What no result file tells is
 * not known to have landed, whatever the job says of itself, so it is `unknown`, to be loaded again: an upsert may be repeated.
 */
export async function loadContacts(conn, contacts) {
  const job = conn.bulk2.createJob({ object: 'Contact', operation: 'upsert', externalIdFieldName: 'External_Id__c' });
  const left = new Set(contacts.map((contact) => contact.External_Id__c));
  const landed = [];
  const failed = {};
  await job.open();
  try {
    await job.uploadData(contacts);
    await job.close();
  } catch (err) {
    await job.abort().catch(() => {}); // nothing was loaded: do not leave it open
    throw err;
  }
  await job.poll(100, 60_000);
  const results = await job.getAllResults();
  for (const row of results.successfulResults) {
    if (left.delete(row.External_Id__c)) landed.push(row.External_Id__c);
  }
  for (const row of results.failedResults) {
    if (left.delete(row.External_Id__c)) failed[row.External_Id__c] = row.sf__Error.split(':')[0];
  }
  return { landed, failed, unknown: [...left] };
}
