// Package definitions applies pipelines and orgs: it checks a document, what it has to agree on with the others, and what the org says of
// its object, and stores it as the next immutable revision. It also tells what differs between two revisions, and brings an earlier one back.
//
// What always holds: the same text again changes nothing, unless the org compares the key field in another way by now; a refused document leaves
// nothing behind; the number of lanes of an entity space is one for all pipelines that write it, and does not change while anything of the space is
// on its way, since lanes are where versions of an entity are ordered; for the same reason a pipeline changes to another space only when nothing of
// it is on its way. An org that cannot be reached keeps no definition out: what could not be checked is a warning, and [Applier.Recheck] asks again.
//
// What it leaves to others: the stream of a new pipeline (package streams), and when a revision comes into force (the extractor).
//
// Start reading at [Applier.Apply].
package definitions
