// Package org is the simulated org's data: its object model, the rows it holds and the rules by which a row is saved.
//
// Start with Model (what objects and fields exist, read from YAML), then Store (the rows, with every version that they
// ever had), then Plan and Store.Save (one transaction of rows under one operation), and Store.SaveCall (records as JSON,
// in several transactions that may be taken back together). The file examples/model.yaml of the simulator explains the
// YAML of a model and uses every member of it.
//
// What always holds:
//   - a unique field has no two live rows with the same value, folded as Salesforce folds it: without regard to case
//     unless the field says otherwise;
//   - a transaction has partial success: a row either is saved whole or fails with one error text in the shape of
//     sf__Error, and never disturbs its neighbours, unless code of the org takes part (see rounds);
//   - no live row refers to one that is gone: what others refer to cannot be deleted, and details go with their master;
//   - a rule of the model was compiled when the model was read, and its work on a row is bounded;
//   - every save adds a version; none is ever forgotten until Reset;
//   - what jobs save was made by the integration user, what was seeded by another one, the org's administrator,
//     and what a REST call saves by its caller.
//
// A row is saved in the order of real orgs: the cells are read (fill), what they refer to is looked up (refer), triggers
// run (rounds), and the whole row is checked (check): required fields, where details belong, validation rules, duplicate
// rules, unique fields. The first that is wrong is the row's error. Objects without triggers and rules pay for none.
//
// Error texts follow what real orgs were seen to answer; where nothing is recorded the code is fixed and the text is
// a guess. Left to others: jobs, files and queues (package bulk), the wire (package rest).
//
// A Store is safe for concurrent use. Rows are kept packed, so that millions fit in memory: a row with its
// index entries takes some 120 bytes more than its values.
package org
