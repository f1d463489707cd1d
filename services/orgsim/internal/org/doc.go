// Package org is the simulated org's data: its object model, the rows it holds and the rules by which a row is saved.
//
// Start with Model (what objects and fields exist, read from YAML), then Store (the rows, with every version that they
// ever had), then Plan and Store.Save (one transaction of rows under one operation). The file examples/model.yaml of the
// simulator explains the YAML of a model and uses every member of it.
//
// What always holds:
//   - a unique field has no two live rows with the same value, folded as Salesforce folds it: without regard to case
//     unless the field says otherwise;
//   - a transaction has partial success: a row either is saved whole or fails with one error text in the shape of
//     sf__Error, and never disturbs its neighbours;
//   - every save adds a version; none is ever forgotten until Reset;
//   - what jobs save was made by the integration user, what was seeded by another one, the org's administrator.
//
// Error texts follow what real orgs were seen to answer; where nothing is recorded the code is fixed and the text is
// a guess. Left to others: jobs, files and queues (package bulk), the wire (package rest).
//
// A Store is safe for concurrent use. Rows are kept packed, some 150 bytes each, so that millions fit in memory.
package org
