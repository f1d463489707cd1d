// Package collect writes down what the org, the dead-letter stream and the API say when a run has come to rest: org/*.ndjson, final.json and
// landed.ndjson of the run's directory.
//
// It reads and changes nothing. The org is asked through the simulator's control API, which knows what really happened; the stream through a
// plain NATS client; and the product through ops' HTTP API alone, as any caller sees it: balance, letters, the exports of what landed and of
// what did not, and the history of each published record that neither export has.
//
// Everything is asked at the same time, each question bounded in time and answer, and asked again of the other instance when one does not
// answer. What cannot be had at all is an error: a dump that is not whole is never written as if it were.
//
// It must be called at rest: its answers are of several moments.
package collect
