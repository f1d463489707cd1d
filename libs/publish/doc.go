// Package publish puts records into frames and publishes them to a pipeline, for publishers written in Go. Nobody needs it to publish: a message on
// records.<pipeline> from any NATS client is as good.
//
// What always holds:
//   - A record is received when its frame is acknowledged: [Publisher.Flush] returning nil says so for every record added before, and the
//     function given to [WithAck] says it frame by frame. What [Publisher.Add] took and no acknowledgement covers is in this process only.
//   - One frame is in flight per publisher, never two. A frame stored while an earlier one must be sent again would turn two versions of an
//     entity around, which neither broker nor ledger can see, let alone mend. Frames of 128 KiB make the wait for each cheap.
//   - A frame whose acknowledgement did not come is sent again, byte for byte and with the same Nats-Msg-Id, until it is acknowledged, the context
//     ends or the answer says that it never will be. It may then be stored twice; records with keys are repeats the second time,
//     counted and never landed twice.
//   - An error takes nothing away: the frame that was refused is kept and goes first when Add or Flush is called again. The record whose Add
//     failed was not taken: add it again.
//   - A frame stays within the contract's bounds and the server's own max_payload. A record that fits no frame is a [TooLargeError], one whose key
//     cannot be stored a [RecordError]: nothing else is affected.
//   - A full stream is [ErrFull], or is waited for ([WaitWhenFull]); a pipeline that nobody applied is [ErrNoStream].
//   - Memory is two frames, whatever is published.
//
// What it leaves to others: what a record must look like (the pipeline's definition decides, and refuses record by record), the connection and its
// options, several publishers of one pipeline (their order among each other is theirs).
//
// Start reading at [Publisher.Add].
package publish
