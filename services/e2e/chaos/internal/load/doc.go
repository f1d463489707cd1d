// Package load is the upstream and the operators of a chaos run: the objects of the simulated org, the definitions of the pipelines, what is
// published to them, and what people do meanwhile.
//
// What a seed decides is decided by [Draw] alone, which does no I/O: the same seed and number of records are the same records in the same
// messages at the same times. [Run] then publishes them and writes down what the broker answered, one [history.Publication] for each record
// of each try; [Replay], [Change], [Heals] and [Resume] act through ops' HTTP API, as people would, and write each answer into the timeline.
//
// What always holds of what is published:
//   - Each pipeline has one publisher, which sends one message at a time, in order, and the next one only when the broker has said that it
//     holds the one before. A message without an answer, or refused, is sent again as it is; when that goes on for too long the pipeline
//     publishes nothing more.
//   - In an exact pipeline (see [history.Pipeline]) a message says behind which sequence it must be stored, so that none is stored twice.
//     Only there are records that have no key of their own.
//   - Every record says a value of its own in its pipeline's stamp. What the org refuses by its own rules is about an entity, or a row, of
//     its own, because records that are merged into one row share its fate.
//   - What a record's Fate says is so whatever else happens: "heals" where it is refused at first and may land when a person sends it again, or
//     at once where what it waits for came first. No operator sends again what would then mean something else.
//
// It shares no code with the product: subjects, headers and bodies are written here by what the guide for publishers says.
package load
